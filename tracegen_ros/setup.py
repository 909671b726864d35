"""Build script of the ament_python package ``tracegen_ros``."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "tracegen_ros"
SHARE = f"share/{PACKAGE}"


def shared_files(top: str) -> list[tuple[str, list[str]]]:
    """Everything under ``top`` (a link to a folder of the repository), folder by folder, for the share folder."""
    folders: dict[str, list[str]] = {}
    for file in sorted(Path(top).glob("**/*")):
        if file.is_file() and "__pycache__" not in file.parts:
            folders.setdefault(f"{SHARE}/{file.parent}", []).append(str(file))
    return list(folders.items())


setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (SHARE, ["package.xml"]),
        *shared_files("launch"),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="TraceGen ROS maintainers",
    maintainer_email="maintainers@tracegen-ros.dev",
    description="TraceGen on ROS 2: camera topics and a sentence in, 3D traces out.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "trace_node = tracegen_ros.nodes.trace_node:main",
            "trace_markers_node = tracegen_ros.nodes.trace_markers_node:main",
            "web_viewer_node = tracegen_ros.nodes.web_viewer_node:main",
            "replay_check = tracegen_ros.nodes.replay_check:main",
            "replay_node = tracegen_ros.nodes.replay_node:main",
            "scene_cloud_node = tracegen_ros.nodes.scene_cloud_node:main",
            "camera_pose_node = tracegen_ros.nodes.camera_pose_node:main",
            "bring_up = tracegen_ros.nodes.bring_up:main",
            "calibrate_camera = tracegen_ros.nodes.calibrate_camera:main",
            "instruct = tracegen_ros.nodes.instruct:main",
            "record = tracegen_ros.nodes.record_node:main",
            "bag_info = tracegen_ros.nodes.bag_info:main",
        ]
    },
)
