"""``calibrate_camera``: finds where the fixed camera stands in the robot's base frame.

ros2 run tracegen_ros calibrate_camera --print-board board.pdf     # print it at 100 %, put it into the hand
ros2 run tracegen_ros calibrate_camera --out my_camera.yaml        # Enter captures, s solves and writes
ros2 run tracegen_ros calibrate_camera --offline FOLDER --out my_camera.yaml
"""

from __future__ import annotations

import argparse
import queue
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import rclpy
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from rclpy.executors import ExternalShutdownException
from rclpy.utilities import remove_ros_args

from tracegen_ros.calibration.board import MILLIMETRES_PER_METRE, CalibrationBoard
from tracegen_ros.calibration.board_print import print_board
from tracegen_ros.calibration.errors import CalibrationDataError
from tracegen_ros.calibration.serial_chain import SerialChain
from tracegen_ros.calibration.session import CalibrationSession
from tracegen_ros.calibration.session_report import solve_session
from tracegen_ros.camera_calibration import CalibrationError, CameraCalibration, write_camera_calibration
from tracegen_ros.nodes.calibration_node import CalibrationNode, LiveSettings

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_BAD_ARGUMENT = 2

_DEFAULT_BOARD = CalibrationBoard()
_SPIN_S = 0.2

_KEYS = "Enter captures (with the hand at rest), u undoes, s solves and writes, q quits"


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line; leaves with exit code 2 and a message when it makes no sense."""
    parser = argparse.ArgumentParser(
        prog="calibrate_camera",
        description="Find where the fixed camera stands in the robot's base frame, with a ChArUco board in the hand.",
    )
    doing = parser.add_mutually_exclusive_group()
    doing.add_argument(
        "--print-board", metavar="FILE", help="write the board as .pdf or .png at its true size, and leave"
    )
    doing.add_argument(
        "--offline", metavar="FOLDER", help="solve the session stored in FOLDER, without ROS running"
    )
    parser.add_argument(
        "--out", metavar="FILE", help="the calibration file; default: camera.yaml in the session's folder"
    )
    parser.add_argument(
        "--session",
        metavar="FOLDER",
        help="where captures are kept; an old one is gone on with (default: ~/camera_calibration/DATE)",
    )
    board = parser.add_argument_group("the board, as measured on the print")
    board.add_argument("--squares", default=None, metavar="5x4", help="squares along the board's two sides")
    board.add_argument("--square-mm", type=float, default=None, help="side of a square [mm]")
    board.add_argument("--marker-mm", type=float, default=None, help="side of a marker [mm]")
    board.add_argument("--dictionary", default=None, help="OpenCV's name of the markers, such as DICT_4X4_50")
    board.add_argument(
        "--legacy-pattern",
        action="store_true",
        help="a board with an even number of rows whose "
        "first square is white, as OpenCV before 4.6 made them",
    )
    live = parser.add_argument_group("the robot and the camera")
    live.add_argument(
        "--hand-pose",
        choices=["joint_states", "tf"],
        default="joint_states",
        help="where the hand's pose comes from: joint states and the URDF, or TF (default: %(default)s)",
    )
    live.add_argument("--base-frame", default="fr3_link0", help="default: %(default)s")
    live.add_argument("--hand-frame", default="fr3_hand_tcp", help="default: %(default)s")
    live.add_argument(
        "--urdf", metavar="FILE", help="robot description; default: the FR3 with hand of ik_controller"
    )
    live.add_argument("--colour-topic", default="/camera/camera/color/image_raw", help="default: %(default)s")
    live.add_argument(
        "--camera-info-topic", default="/camera/camera/color/camera_info", help="default: %(default)s"
    )
    live.add_argument("--joint-states-topic", default="/joint_states", help="default: %(default)s")
    options = parser.parse_args(arguments)
    try:
        options.board = _board(options)
    except CalibrationDataError as error:
        parser.error(str(error))
    return options


def _board(options: argparse.Namespace) -> CalibrationBoard:
    """The board asked for; what is not given is the default board's, a marker keeps its share of the square.

    Raises:
        CalibrationDataError: There is no such board.
    """
    columns, rows = _DEFAULT_BOARD.columns, _DEFAULT_BOARD.rows
    if options.squares is not None:
        try:
            columns, rows = (int(word) for word in options.squares.lower().split("x"))
        except ValueError as error:
            raise CalibrationDataError(f"--squares {options.squares} must be like 5x4") from error
    square = _DEFAULT_BOARD.square if options.square_mm is None else options.square_mm / MILLIMETRES_PER_METRE
    marker = (
        square * _DEFAULT_BOARD.marker / _DEFAULT_BOARD.square
        if options.marker_mm is None
        else options.marker_mm / MILLIMETRES_PER_METRE
    )
    return CalibrationBoard(
        columns, rows, square, marker, options.dictionary or _DEFAULT_BOARD.dictionary, options.legacy_pattern
    )


def _board_was_given(options: argparse.Namespace) -> bool:
    given = (options.squares, options.square_mm, options.marker_mm, options.dictionary)
    return options.legacy_pattern or any(value is not None for value in given)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _print_board(options: argparse.Namespace) -> None:
    paper = print_board(options.board, options.print_board)
    width = MILLIMETRES_PER_METRE * options.board.size[0]
    _say(
        f"{options.print_board}: {paper}, landscape. Print it at 100 % (no fitting to the page), glue it onto "
        f"something flat and stiff, and measure: {options.board.columns} squares are {width:.1f} mm. "
        "If they are not, give what you measure with --square-mm."
    )


def _solve_offline(options: argparse.Namespace) -> None:
    session = CalibrationSession.open(options.offline)
    if _board_was_given(options):
        session = session.with_board(options.board)
    solved = solve_session(session)
    _say(solved.text)
    if solved.solution.problem:
        raise CalibrationDataError("nothing was written")
    out = Path(options.out) if options.out else session.folder / "camera.yaml"
    description = session.description
    calibration = CameraCalibration(
        description.base_frame, description.camera_frame, solved.solution.camera_in_base
    )
    write_camera_calibration(out, calibration, solved.remarks)
    _say(f"written: {out}")


def _urdf(options: argparse.Namespace) -> Path:
    if options.urdf:
        return Path(options.urdf)
    try:
        return Path(get_package_share_directory("ik_controller")) / "urdf" / "fr3.urdf"
    except PackageNotFoundError as error:
        raise CalibrationDataError(
            "the package ik_controller is not found; give the robot with --urdf"
        ) from error


def _live_settings(options: argparse.Namespace) -> LiveSettings:
    folder = (
        Path(options.session)
        if options.session
        else Path.home() / "camera_calibration" / f"{datetime.now(UTC):%Y-%m-%d_%H%M%S}"
    )
    chain = (
        SerialChain.read(_urdf(options), options.base_frame, options.hand_frame)
        if options.hand_pose == "joint_states"
        else None
    )
    return LiveSettings(
        board=options.board,
        folder=folder,
        out=Path(options.out) if options.out else folder / "camera.yaml",
        colour_topic=options.colour_topic,
        camera_info_topic=options.camera_info_topic,
        joint_states_topic=options.joint_states_topic,
        chain=chain,
        base_frame=options.base_frame,
        hand_frame=options.hand_frame,
    )


def _calibrate_live(options: argparse.Namespace) -> None:
    settings = _live_settings(options)
    keys: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read_keys() -> None:
        for line in sys.stdin:
            keys.put(line.strip().lower())

    def next_key() -> str | None:
        return None if keys.empty() else keys.get()

    rclpy.init()
    node = CalibrationNode(settings, next_key, _say)
    _say(
        f"captures are kept in {settings.folder}\n{_KEYS}; the services ~/capture, ~/undo and ~/solve do the same"
    )
    if sys.stdin is not None and sys.stdin.isatty():
        threading.Thread(target=read_keys, daemon=True).start()
    try:
        while rclpy.ok():
            rclpy.spin_once(node, timeout_sec=_SPIN_S)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of ``ros2 run tracegen_ros calibrate_camera``."""
    options = parse_arguments(remove_ros_args(sys.argv)[1:] if arguments is None else arguments)
    try:
        if options.print_board:
            _print_board(options)
        elif options.offline:
            _solve_offline(options)
        else:
            _calibrate_live(options)
    except (CalibrationDataError, CalibrationError, OSError) as error:
        sys.stderr.write(f"calibrate_camera: {error}\n")
        sys.exit(EXIT_FAILED)
    sys.exit(EXIT_OK)
