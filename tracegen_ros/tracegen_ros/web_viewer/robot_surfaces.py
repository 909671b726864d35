"""What the robot looks like: the meshes of ``franky_sim`` where that package is installed, else the URDF's primitives.

The meshes are those of MuJoCo Menagerie's FR3 (Apache-2.0). Only the MJCF file is read, as XML; no simulator is needed.
"""

from __future__ import annotations

import importlib.util
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray

from tracegen_ros.web_viewer.robot_tree import RobotTree, Shape

_MESH_PACKAGE = "franky_sim"
_DESCRIPTION = Path("assets") / "fr3.xml"
_MESHES = Path("assets") / "meshes"
_LINK_NAMES = {"hand": "fr3_hand", "left_finger": "fr3_leftfinger", "right_finger": "fr3_rightfinger"}
"""Bodies of the MJCF file that the URDF names otherwise."""

_CYLINDER_SIDES = 48

_CELL_M = 0.003
"""Vertices of a mesh this close together [m], and facing the same way, become one: a quarter of the triangles."""


@dataclass(frozen=True)
class Surface:
    """A triangle mesh of one colour.

    Attributes:
        vertices: (V, 3) float32 in the link's frame [m].
        faces: (F, 3) uint32 indices into ``vertices``.
        colour: RGB, 0 to 255.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.uint32]
    colour: tuple[int, int, int]


def robot_surfaces(tree: RobotTree, *, meshes: bool = True) -> dict[str, tuple[Surface, ...]]:
    """Surfaces of every link that has any, by its name.

    Args:
        tree: The robot.
        meshes: Look for meshes; otherwise the primitives of the URDF are taken.
    """
    found = _mesh_surfaces() if meshes else {}
    surfaces = {
        link.name: found.get(link.name) or tuple(_primitive(shape) for shape in link.shapes)
        for link in tree.links
    }
    return {name: parts for name, parts in surfaces.items() if parts}


def _mesh_surfaces() -> dict[str, tuple[Surface, ...]]:
    """The meshes by link, empty where there are none."""
    package = importlib.util.find_spec(_MESH_PACKAGE)
    if package is None or not package.submodule_search_locations:
        return {}
    folder = Path(package.submodule_search_locations[0])
    try:
        model = ElementTree.parse(folder / _DESCRIPTION).getroot()
        files = {mesh.get("name", ""): mesh.get("file", "") for mesh in model.iter("mesh")}
        colours = {material.get("name", ""): _colour(material) for material in model.iter("material")}
        return {
            _LINK_NAMES.get(name, name): _body_surfaces(body, folder / _MESHES, files, colours)
            for body in model.iter("body")
            if (name := body.get("name", ""))
        }
    except (OSError, ValueError, KeyError, ElementTree.ParseError):
        return {}  # Another version of the package: the primitives do.


def _body_surfaces(
    body: ElementTree.Element,
    folder: Path,
    files: Mapping[str, str],
    colours: Mapping[str, tuple[int, int, int]],
) -> tuple[Surface, ...]:
    """Visual meshes of ``body``, those of one colour as one."""
    by_colour: dict[tuple[int, int, int], list[trimesh.Trimesh]] = {}
    for part in body.findall("geom"):
        if part.get("class") == "visual":
            mesh = trimesh.load_mesh(folder / files[part.attrib["mesh"]], process=False)
            by_colour.setdefault(colours[part.attrib["material"]], []).append(mesh)
    return tuple(_simplified(_joined(parts, colour)) for colour, parts in by_colour.items())


def _joined(meshes: list[trimesh.Trimesh], colour: tuple[int, int, int]) -> Surface:
    """Several meshes as one."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts[:-1], strict=True)]
    vertices = np.concatenate([mesh.vertices for mesh in meshes])
    return Surface(vertices.astype(np.float32), np.concatenate(faces).astype(np.uint32), colour)


def _simplified(surface: Surface) -> Surface:
    """``surface`` with vertices merged that lie in one cell of a grid and face the same octant or axis.

    Edges stay sharp, since their two sides face different ways.
    """
    corners = surface.vertices[surface.faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.stack(
        [
            np.bincount(surface.faces.ravel(), across[:, axis].repeat(3), minlength=len(surface.vertices))
            for axis in range(3)
        ],
        axis=1,
    )
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), np.finfo(float).tiny)
    cells = np.floor((surface.vertices - surface.vertices.min(axis=0)) / _CELL_M).astype(np.int64)
    facing = np.rint(normals).astype(np.int64) + 1
    key = np.ravel_multi_index((*cells.T, *facing.T), (*(cells.max(axis=0) + 1), 3, 3, 3))
    _, first, merged = np.unique(key, return_index=True, return_inverse=True)
    faces = merged[surface.faces]
    flat = (faces == np.roll(faces, 1, axis=1)).any(axis=1)
    return Surface(surface.vertices[first], faces[~flat].astype(np.uint32), surface.colour)


def _primitive(shape: Shape) -> Surface:
    if shape.kind == "box":
        mesh = trimesh.creation.box(shape.size)
    else:
        radius, length = shape.size
        mesh = trimesh.creation.cylinder(radius, length, sections=_CYLINDER_SIDES)
    mesh.apply_transform(shape.pose_in_link)
    mesh.unmerge_vertices()  # Edges stay sharp.
    return _joined([mesh], shape.colour)


def _colour(material: ElementTree.Element) -> tuple[int, int, int]:
    red, green, blue = (round(255.0 * float(word)) for word in material.attrib["rgba"].split()[:3])
    return red, green, blue
