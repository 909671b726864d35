"""Which ROS 2 the set-up chooses."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
OWN = ROOT / ".ros" / "jazzy"


def find_ros(**environment: str) -> subprocess.CompletedProcess[str]:
    base = {name: value for name, value in os.environ.items() if not name.startswith(("ROS_", "AMENT_"))}
    return subprocess.run(
        [ROOT / "scripts/find_ros.sh"], env=base | environment, capture_output=True, text=True
    )


def installation(prefix: Path, python: str) -> Path:
    (prefix / "lib" / python / "site-packages" / "rclpy").mkdir(parents=True)
    (prefix / "setup.bash").touch()
    return prefix


def test_a_sourced_ros_is_used_and_its_overlays_are_looked_through(tmp_path: Path) -> None:
    prefix = installation(tmp_path / "ros", "python3.12")
    overlay = tmp_path / "overlay"
    found = find_ros(ROS_DISTRO="jazzy", AMENT_PREFIX_PATH=f"{overlay}:{prefix}")
    assert found.stdout.strip() == str(prefix)


@pytest.mark.skipif(Path("/opt/ros/jazzy").exists(), reason="this machine has a ROS 2 Jazzy")
def test_a_sourced_ros_of_another_python_is_named_and_refused(tmp_path: Path) -> None:
    prefix = installation(tmp_path / "ros", "python3.10")
    found = find_ros(ROS_DISTRO="humble", AMENT_PREFIX_PATH=str(prefix))
    assert found.returncode == 1
    assert "humble" in found.stderr


@pytest.mark.skipif(Path("/opt/ros/jazzy").exists(), reason="this machine has a ROS 2 Jazzy")
def test_without_any_ros_or_with_our_own_environment_it_is_the_one_unpacked_here() -> None:
    assert find_ros().stdout.strip() == str(OWN)
    assert find_ros(ROS_DISTRO="jazzy", AMENT_PREFIX_PATH=str(OWN)).stdout.strip() == str(OWN)
