"""Build script of the ament_python package ``ik_controller``."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "ik_controller"
SHARE = f"share/{PACKAGE}"


def robot_description_files() -> list[tuple[str, list[str]]]:
    """Everything under ``urdf/`` (a link to the repository's folder), folder by folder, for the share folder."""
    folders: dict[str, list[str]] = {}
    for file in sorted(Path("urdf").rglob("*")):
        if file.is_file():
            folders.setdefault(f"{SHARE}/{file.parent}", []).append(str(file))
    return list(folders.items())


setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (SHARE, ["package.xml"]),
        *robot_description_files(),
        # Colcon puts this folder on PATH.
        ("bin", ["scripts/tracegen-eval-bag"]),
    ],
    package_data={f"{PACKAGE}.evaluation": ["templates/*"]},
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="TraceGen ROS maintainers",
    maintainer_email="maintainers@tracegen-ros.dev",
    description="Traces to motion: follows predicted 3D traces with an FR3 inside its limits.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "eval_bag = ik_controller.nodes.eval_bag:main",
            "follower_markers_node = ik_controller.nodes.follower_markers_node:main",
            "ghost_node = ik_controller.nodes.ghost_node:main",
            "trace_follower_node = ik_controller.nodes.trace_follower_node:main",
        ]
    },
)
