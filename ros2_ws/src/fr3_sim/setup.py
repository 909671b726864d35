"""Build script of the ament_python package ``fr3_sim``."""

from setuptools import find_packages, setup

PACKAGE = "fr3_sim"

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
    description="A simulated FR3 at a table with an RGB-D camera, behind the topics of the real devices.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "scene_node = fr3_sim.nodes.scene_node:main",
            "sim_node = fr3_sim.nodes.sim_node:main",
        ]
    },
)
