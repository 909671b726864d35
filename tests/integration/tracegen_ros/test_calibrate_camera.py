"""``calibrate_camera`` beside a camera and an arm that publish what real ones do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_srvs.srv import Trigger
from tests.camera_calibration.simulated_board import CAMERA_IN_BASE, LENS, USUAL, render_board

from tracegen_ros.calibration.board import CalibrationBoard
from tracegen_ros.calibration.board_view import view_of
from tracegen_ros.calibration.rigid_motion import inverse, motion, rotation_angle
from tracegen_ros.calibration.serial_chain import SerialChain
from tracegen_ros.camera_calibration import read_camera_calibration
from tracegen_ros.messages import encode_colour, encode_header, encode_intrinsics, encode_joint_state
from tracegen_ros.qos import SENSOR

URDF = Path(__file__).parents[3] / "urdf" / "fr3.urdf"
BOARD = CalibrationBoard()
CHAIN = SerialChain.read(URDF, "fr3_link0", "fr3_hand_tcp")
HOME = np.array([0.0, 0.1, 0.0, -2.1, 0.0, 2.2, 0.785])
PERIOD_NS = 50_000_000
POSES = 8
RIM_PX = 6.0


def board_in_hand() -> NDArray[np.float64]:
    """Held so that it faces the camera when the arm is at home."""
    facing = CAMERA_IN_BASE[:3, :3]
    in_hand = CHAIN.tip_in_base(HOME)[:3, :3].T @ facing
    return motion(in_hand, np.array([0.0, 0.0, 0.05]) - in_hand @ BOARD.centre)


def postures(count: int) -> list[NDArray[np.float64]]:
    """Joints (7,) [rad] near home that show the whole board to the camera."""
    rng = np.random.default_rng(2)
    found: list[NDArray[np.float64]] = []
    while len(found) < count:
        joints = HOME + rng.normal(0.0, [0.15, 0.1, 0.15, 0.1, 0.3, 0.3, 0.3])
        pose = inverse(CAMERA_IN_BASE) @ CHAIN.tip_in_base(joints) @ board_in_hand()
        pixels = LENS.intrinsics.project(BOARD.corners @ pose[:3, :3].T + pose[:3, 3])
        inside = (pixels > RIM_PX).all() and (pixels < [640 - RIM_PX, 480 - RIM_PX]).all()
        if inside and pose[2, 2] > 0.8 and view_of(BOARD.corners, pixels, LENS) is not None:
            found.append(joints)
    return found


class FakeCell:
    """Publishes one posture after another, each for as long as it is asked to."""

    def __init__(self, tester) -> None:  # type: ignore[no-untyped-def]
        self._tester = tester
        self._images = tester.publisher(Image, "/camera/camera/color/image_raw", SENSOR)
        self._infos = tester.publisher(CameraInfo, "/camera/camera/color/camera_info", SENSOR)
        self._joints = tester.publisher(JointState, "/joint_states", 50)
        self._now_ns = 1_000_000_000
        self._rng = np.random.default_rng(3)

    def stand(self, joints: NDArray[np.float64], ticks: int = 12) -> None:
        """The arm at ``joints`` for ``ticks`` images."""
        pose = inverse(CAMERA_IN_BASE) @ CHAIN.tip_in_base(joints) @ board_in_hand()
        grey = render_board(BOARD, pose, LENS, USUAL, self._rng)
        image = np.repeat(grey[..., None], 3, axis=2)
        for _ in range(ticks):
            self._tick(joints, image)

    def move(self, start: NDArray[np.float64], end: NDArray[np.float64], ticks: int = 12) -> None:
        """The arm on its way; the images show nothing."""
        blank = np.full((480, 640, 3), 100, np.uint8)
        for share in np.linspace(0.0, 1.0, ticks):
            self._tick((1.0 - share) * start + share * end, blank)

    def _tick(self, joints: NDArray[np.float64], image: NDArray[np.uint8]) -> None:
        header = encode_header(self._now_ns, "camera_color_optical_frame")
        self._joints.publish(encode_joint_state(CHAIN.joint_names, joints, (), header))
        self._infos.publish(encode_intrinsics(LENS.intrinsics, header))
        self._images.publish(encode_colour(image, header))
        self._now_ns += PERIOD_NS
        self._tester.spin_once()


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[subprocess.Popen]:
    code = "from tracegen_ros.nodes.calibrate_camera import main; main()"
    arguments = [
        "--session",
        str(tmp_path / "session"),
        "--out",
        str(tmp_path / "mine.yaml"),
        "--urdf",
        str(URDF),
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    yield process
    process.terminate()
    process.wait(60.0)


def test_a_person_captures_poses_one_by_one_and_gets_a_calibration_file(
    tester,
    tool: subprocess.Popen,
    tmp_path: Path,  # type: ignore[no-untyped-def]
) -> None:
    cell = FakeCell(tester)

    def ask(service: str) -> Trigger.Response:
        return tester.call(Trigger, f"/calibrate_camera/{service}", Trigger.Request())

    asked_at = postures(POSES)
    early = ask("solve")
    assert (early.success, early.message) == (False, "no pose was captured yet")
    cell.move(asked_at[-1], asked_at[0])
    moving = ask("capture")
    assert not moving.success
    assert "the hand moves" in moving.message
    for number, joints in enumerate(asked_at, start=1):
        # Messages may be lost or late: stand until the tool has seen the arm stand.
        for _ in range(20):
            cell.stand(joints)
            captured = ask("capture")
            if captured.success:
                break
        assert captured.success, captured.message
        assert captured.message.startswith(f"pose {number:03d}: ")
        assert (tmp_path / "session" / f"pose_{number:03d}.yaml").is_file()
    assert "next: board in the" in captured.message
    undone = ask("undo")
    assert undone.message == f"pose {POSES:03d} forgotten; {POSES - 1} left"
    solved = ask("solve")
    assert solved.success, solved.message
    found = read_camera_calibration(tmp_path / "mine.yaml")
    assert found.child_frame == "camera_color_optical_frame"
    assert np.linalg.norm(found.camera_in_base[:3, 3] - CAMERA_IN_BASE[:3, 3]) < 1e-3
    angle = rotation_angle(found.camera_in_base[:3, :3].T @ CAMERA_IN_BASE[:3, :3])
    assert angle < np.radians(0.05)
