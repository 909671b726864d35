"""What is captured is there again after a crash, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.camera_calibration.simulated_board import (
    CAMERA_IN_BASE,
    LENS,
    USUAL,
    hand_for,
    random_board_pose,
    render_board,
)

from tracegen_ros.calibration.board import CalibrationBoard
from tracegen_ros.calibration.errors import CalibrationDataError
from tracegen_ros.calibration.session import CalibrationSession, SessionDescription
from tracegen_ros.camera_calibration import read_camera_calibration
from tracegen_ros.nodes.calibrate_camera import main

BOARD = CalibrationBoard()
DESCRIPTION = SessionDescription(BOARD, LENS, "fr3_link0", "fr3_hand_tcp", "camera_color_optical_frame")


def image(value: int = 90) -> np.ndarray:
    pixels = np.full((480, 640, 3), value, np.uint8)
    pixels[10, 20] = [200, 100, 0]
    return pixels


def test_images_and_poses_come_back_to_the_bit(tmp_path: Path) -> None:
    hand = hand_for(random_board_pose(BOARD, LENS, np.random.default_rng(0)))
    session = CalibrationSession.create(tmp_path / "s", DESCRIPTION)
    assert session.add(image(), hand) == "001"
    again = CalibrationSession.open(tmp_path / "s")
    assert again.description == DESCRIPTION
    (stored,) = again.poses()
    np.testing.assert_array_equal(stored.image, image())
    np.testing.assert_array_equal(stored.hand_in_base, hand)


def test_a_session_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = CalibrationSession.create(tmp_path, DESCRIPTION)
    names = [first.add(image(), np.eye(4)) for _ in range(3)]
    first.remove(names[1])
    second = CalibrationSession.create(tmp_path, DESCRIPTION)
    assert second.add(image(), np.eye(4)) == "004"
    assert second.names == ("001", "003", "004")


def test_an_image_whose_pose_was_not_written_is_no_pose(tmp_path: Path) -> None:
    session = CalibrationSession.create(tmp_path, DESCRIPTION)
    session.add(image(), np.eye(4))
    (tmp_path / "pose_002.png").write_bytes(b"half an image")
    (tmp_path / "pose_003.yaml.partial").write_text("hand_in_base: [[1.0,")
    assert session.names == ("001",)


def test_a_session_with_another_board_is_not_gone_on_with(tmp_path: Path) -> None:
    CalibrationSession.create(tmp_path, DESCRIPTION)
    other = SessionDescription(CalibrationBoard(7, 5, 0.03, 0.02), LENS, "a", "b", "c")
    with pytest.raises(CalibrationDataError, match="another board, camera or frame"):
        CalibrationSession.create(tmp_path, other)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("hand_in_base: [[1, 2], [3, 4]]", "holds no pose"),
        (f"hand_in_base: {np.diag([2.0, 1.0, 1.0, 1.0]).tolist()}", "no rigid pose"),
        ("[", "holds no pose"),
    ],
)
def test_a_damaged_pose_is_named(tmp_path: Path, content: str, words: str) -> None:
    session = CalibrationSession.create(tmp_path, DESCRIPTION)
    session.add(image(), np.eye(4))
    (tmp_path / "pose_001.yaml").write_text(content)
    with pytest.raises(CalibrationDataError, match=words):
        list(session.poses())


def test_a_folder_without_a_session_is_named(tmp_path: Path) -> None:
    with pytest.raises(CalibrationDataError, match="holds no calibration session"):
        CalibrationSession.open(tmp_path)


def stored_session(folder: Path, board: CalibrationBoard, count: int) -> CalibrationSession:
    rng = np.random.default_rng(1)
    session = CalibrationSession.create(folder, DESCRIPTION)
    for _ in range(count):
        pose = random_board_pose(board, LENS, rng)
        grey = render_board(board, pose, LENS, USUAL, rng)
        session.add(np.repeat(grey[..., None], 3, axis=2), hand_for(pose))
    return session


def test_a_stored_session_becomes_a_calibration_file_that_the_launch_can_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = stored_session(tmp_path / "s", BOARD, 8)
    session.add(image(), np.eye(4))
    with pytest.raises(SystemExit) as end:
        main(["--offline", str(tmp_path / "s"), "--out", str(tmp_path / "mine.yaml")])
    assert end.value.code == 0
    calibration = read_camera_calibration(tmp_path / "mine.yaml")
    assert (calibration.parent_frame, calibration.child_frame) == ("fr3_link0", "camera_color_optical_frame")
    np.testing.assert_allclose(calibration.camera_in_base, CAMERA_IN_BASE, atol=1e-3)
    said = capsys.readouterr().out
    assert "no board found in 009" in said
    assert "# 8 poses, joint refinement" in (tmp_path / "mine.yaml").read_text()


def test_a_print_that_came_out_smaller_is_corrected_by_its_measured_square(tmp_path: Path) -> None:
    printed = CalibrationBoard(5, 4, 0.0465, 0.034875)
    stored_session(tmp_path / "s", printed, 8)
    out = tmp_path / "mine.yaml"
    with pytest.raises(SystemExit) as end:
        main(["--offline", str(tmp_path / "s"), "--out", str(out), "--square-mm", "46.5"])
    assert end.value.code == 0
    np.testing.assert_allclose(read_camera_calibration(out).camera_in_base, CAMERA_IN_BASE, atol=1e-3)


def test_a_session_that_determines_nothing_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored_session(tmp_path / "s", BOARD, 3)
    with pytest.raises(SystemExit) as end:
        main(["--offline", str(tmp_path / "s"), "--out", str(tmp_path / "mine.yaml")])
    assert end.value.code == 1
    assert "4 poses at least, got 3" in capsys.readouterr().err
    assert not (tmp_path / "mine.yaml").exists()
