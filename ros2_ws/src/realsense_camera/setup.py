"""Build script of the ament_python package ``realsense_camera``."""

from setuptools import find_packages, setup

PACKAGE = "realsense_camera"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="TraceGen ROS maintainers",
    maintainer_email="maintainers@tracegen-ros.dev",
    description="A RealSense camera behind the topics of realsense2_camera: colour, aligned depth, CameraInfo.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "camera_node = realsense_camera.nodes.camera_node:main",
            "camera_benchmark = realsense_camera.nodes.camera_benchmark:main",
        ]
    },
)
