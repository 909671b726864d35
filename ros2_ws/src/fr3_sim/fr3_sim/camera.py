"""The simulated RGB-D camera: colour, aligned depth and, for making ground truth, the body behind each pixel."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from fr3_sim.scene import CAMERA_FOCAL_LENGTH, CAMERA_HEIGHT, CAMERA_WIDTH, TabletopScene
from tracegen_model.camera import CameraIntrinsics

INTRINSICS = CameraIntrinsics(
    fx=CAMERA_FOCAL_LENGTH,
    fy=CAMERA_FOCAL_LENGTH,
    cx=(CAMERA_WIDTH - 1) / 2,
    cy=(CAMERA_HEIGHT - 1) / 2,
    width=CAMERA_WIDTH,
    height=CAMERA_HEIGHT,
)
"""Intrinsics of the simulated camera, 640x480, as a D435's colour stream."""

NO_BODY = -1
"""Marks pixels that see nothing."""


class RgbdCamera:
    """Renders what the scene's camera sees. Holds a GL context: use it from the thread that made it, and close it."""

    def __init__(self, scene: TabletopScene) -> None:
        self._scene = scene
        self._renderer = mujoco.Renderer(scene.model, CAMERA_HEIGHT, CAMERA_WIDTH)
        self._uploaded_texture = -1
        self._texture_id = scene.model.texture("table").id
        flags = self._renderer.scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0

    def render(self) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Colour (480, 640, 3) uint8 RGB and exact depth (480, 640) float32 [m along the optical axis]."""
        self._update()
        return self._draw()

    def render_bodies(self, pixels: NDArray[np.float64]) -> NDArray[np.int64]:
        """MuJoCo body id behind each of ``pixels`` (N, 2), ``NO_BODY`` for none.

        Simulator truth: it makes demonstrations and is never shown to a node.
        """
        self._update()
        flags = self._renderer.scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = 1
        flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = 1
        colour, _ = self._draw()
        flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = 0
        flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = 0
        column, row = np.rint(pixels).astype(int).T
        segment = colour[row, column].astype(np.int64) @ np.array([1, 256, 65536]) - 1
        drawn = self._renderer.scene
        body_of_segment = np.full(drawn.ngeom + 1, NO_BODY)
        for geom in drawn.geoms[: drawn.ngeom]:
            if geom.segid >= 0 and geom.objtype == mujoco.mjtObj.mjOBJ_GEOM:
                body_of_segment[geom.segid] = self._scene.model.geom_bodyid[geom.objid]
        return body_of_segment[np.where(segment >= 0, segment, drawn.ngeom)]

    def close(self) -> None:
        """Release the GL context."""
        self._renderer.close()

    def _update(self) -> None:
        self._renderer.update_scene(self._scene.data, self._scene.camera_id)
        self._renderer._gl_context.make_current()
        if self._uploaded_texture != self._scene.texture_revision:
            mujoco.mjr_uploadTexture(self._scene.model, self._renderer._mjr_context, self._texture_id)
            self._uploaded_texture = self._scene.texture_revision

    def _draw(self) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        # One pass for both: mujoco.Renderer.render() would draw the scene twice.
        viewport = mujoco.MjrRect(0, 0, CAMERA_WIDTH, CAMERA_HEIGHT)
        context = self._renderer._mjr_context
        colour = np.empty((CAMERA_HEIGHT, CAMERA_WIDTH, 3), np.uint8)
        buffer = np.empty((CAMERA_HEIGHT, CAMERA_WIDTH), np.float32)
        mujoco.mjr_render(viewport, self._renderer.scene, context)
        mujoco.mjr_readPixels(colour, buffer, viewport, context)
        return colour[::-1].copy(), self._metres(buffer[::-1])

    def _metres(self, buffer: NDArray[np.float32]) -> NDArray[np.float32]:
        """Depth along the optical axis from the (reversed) z buffer."""
        model = self._scene.model
        near = model.vis.map.znear * model.stat.extent
        far = model.vis.map.zfar * model.stat.extent
        return (far * near / (near + buffer * (far - near))).astype(np.float32)
