"""Build script of the ament_python package ``fr3_driver``."""

from setuptools import find_packages, setup

PACKAGE = "fr3_driver"

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
    description="Driver of a Franka Research 3 on franky, and an emulator of its control interface.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "fr3_driver_node = fr3_driver.nodes.fr3_driver_node:main",
            "fci_emulator = fr3_driver.emulator.command_line:main",
        ]
    },
)
