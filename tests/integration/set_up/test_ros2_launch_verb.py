"""`ros2 launch` finds, describes and runs launch files."""

import subprocess
from pathlib import Path

import pytest

LAUNCH_FILE = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess
from launch.substitutions import LaunchConfiguration


def generate_launch_description():
    return LaunchDescription([
        DeclareLaunchArgument("word", default_value="hello", description="What is said"),
        ExecuteProcess(cmd=["echo", "said", LaunchConfiguration("word")], output="screen"),
    ])
"""


@pytest.fixture
def launch_file(tmp_path: Path) -> Path:
    path = tmp_path / "say.launch.py"
    path.write_text(LAUNCH_FILE)
    return path


def ros2_launch(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["ros2", "launch", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)


def test_runs_a_launch_file_with_arguments_and_reports_success(launch_file: Path) -> None:
    result = ros2_launch(launch_file, "word:=bonjour")
    assert result.returncode == 0
    assert "said bonjour" in result.stdout


def test_shows_arguments_with_description_and_default(launch_file: Path) -> None:
    shown = ros2_launch(launch_file, "--show-args").stdout
    assert "'word':" in shown
    assert "What is said" in shown
    assert "(default: 'hello')" in shown


def test_names_an_unknown_package() -> None:
    result = ros2_launch("no_such_package", "any.launch.py")
    assert result.returncode != 0
    assert "no_such_package" in result.stderr


def test_names_a_missing_launch_file_of_a_package() -> None:
    result = ros2_launch("rclpy", "missing.launch.py")
    assert result.returncode != 0
    assert "missing.launch.py" in result.stderr


def test_refuses_a_malformed_argument(launch_file: Path) -> None:
    result = ros2_launch(launch_file, "word=bonjour")
    assert result.returncode != 0
    assert "<name>:=<value>" in result.stderr
