"""The live side of ``calibrate_camera``: images, camera info and hand poses in; captures, advice and a calibration out.

Services ``~/capture``, ``~/undo`` and ``~/solve`` (``std_srvs/Trigger``) do what the keys do; ``~/preview`` shows the
image with the corners found.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_srvs.srv import Trigger
from tf2_ros import Buffer, TransformException, TransformListener

from tracegen_ros.calibration.board import CalibrationBoard
from tracegen_ros.calibration.board_view import BoardView, Lens, find_board
from tracegen_ros.calibration.errors import CalibrationDataError
from tracegen_ros.calibration.hand_eye import MIN_POSES
from tracegen_ros.calibration.hand_motion_record import STILL_FOR_S, JointRecord, NoStillHand, still_hand
from tracegen_ros.calibration.pose_advice import diversity, suggest_poses
from tracegen_ros.calibration.report import advice
from tracegen_ros.calibration.serial_chain import SerialChain
from tracegen_ros.calibration.session import CalibrationSession, SessionDescription
from tracegen_ros.calibration.session_report import solve_session
from tracegen_ros.calibration.solution import CapturedPose, solve
from tracegen_ros.camera_calibration import CalibrationError, CameraCalibration, write_camera_calibration
from tracegen_ros.messages import (
    MessageError,
    decode_colour,
    decode_intrinsics,
    decode_joint_state,
    decode_stamp,
    decode_transform,
    encode_colour,
    nanoseconds_from,
)
from tracegen_ros.qos import LATEST, SENSOR

NAME = "calibrate_camera"

_IMAGES_KEPT = 40
_TF_KEPT_S = 30.0
_PREVIEW_PERIOD_S = 0.3
_KEY_PERIOD_S = 0.1
_LENS_MODELS = ("plumb_bob", "rational_polynomial")
_GREEN = (0, 220, 0)


@dataclass(frozen=True)
class LiveSettings:
    """What the live side listens to and writes.

    Attributes:
        board: The board.
        folder: Where the session is kept.
        out: The calibration file.
        colour_topic: Colour images.
        camera_info_topic: Their camera info.
        joint_states_topic: Joint states, used with ``chain``.
        chain: The robot's kinematics from base to hand; None takes the hand's pose from TF.
        base_frame: The robot's base.
        hand_frame: The hand.
    """

    board: CalibrationBoard
    folder: Path
    out: Path
    colour_topic: str
    camera_info_topic: str
    joint_states_topic: str
    chain: SerialChain | None
    base_frame: str
    hand_frame: str


class CalibrationNode(Node):
    """Captures poses, advises, and solves.

    Args:
        settings: What to listen to.
        next_key: The next key that a person has pressed, or None; asked ten times a second.
        say: Where to tell people.
    """

    def __init__(
        self, settings: LiveSettings, next_key: Callable[[], str | None], say: Callable[[str], None]
    ) -> None:
        super().__init__(NAME)
        self._settings = settings
        self._next_key = next_key
        self._say = say
        self._session: CalibrationSession | None = None
        self._poses: list[CapturedPose] = []
        self._lens: Lens | None = None
        self._lens_problem = "no camera info yet"
        self._camera_frame = ""
        self._images: deque[Image] = deque(maxlen=_IMAGES_KEPT)
        self._joints = JointRecord()
        self._joint_problem = "no joint states yet"
        self._buffer = Buffer(cache_time=Duration(seconds=_TF_KEPT_S))
        if settings.chain is None:
            self._listener = TransformListener(self._buffer, self)
        else:
            self.create_subscription(JointState, settings.joint_states_topic, self._on_joint_state, 50)
        self.create_subscription(Image, settings.colour_topic, self._on_image, SENSOR)
        self.create_subscription(CameraInfo, settings.camera_info_topic, self._on_camera_info, SENSOR)
        self._preview = self.create_publisher(Image, "~/preview", LATEST)
        self.create_service(Trigger, "~/capture", self._served(self.capture))
        self.create_service(Trigger, "~/undo", self._served(self.undo))
        self.create_service(Trigger, "~/solve", self._served(self.solve))
        self.create_timer(_PREVIEW_PERIOD_S, self._show)
        self.create_timer(_KEY_PERIOD_S, self._read_keys)

    # Commands: each says what it did, or raises CalibrationDataError.

    def capture(self) -> str:
        """Take the newest image in which the hand is known to have stood still."""
        lens = self._known_lens()
        image, hand_in_base = self._still_image()
        pixels = _pixels(image)
        view = find_board(pixels, self._settings.board, lens)
        if view is None:
            raise CalibrationDataError("the board is not seen, or too little of it; nothing was stored")
        session = self._open_session(lens)
        name = session.add(pixels, hand_in_base)
        self._poses.append(CapturedPose(name, hand_in_base, view))
        return f"pose {name}: {view.count} corners, {view.error:.2f} px\n{self._advice(lens)}"

    def undo(self) -> str:
        """Forget the last pose."""
        if self._session is None or not self._poses:
            raise CalibrationDataError("there is no pose to forget")
        name = self._poses.pop().name
        self._session.remove(name)
        return f"pose {name} forgotten; {len(self._poses)} left"

    def solve(self) -> str:
        """Solve what was captured, and write the calibration file if the result is sound."""
        if self._session is None:
            raise CalibrationDataError("no pose was captured yet")
        solved = solve_session(self._session)
        self._say(solved.text)
        if solved.solution.problem:
            raise CalibrationDataError(f"nothing was written: {solved.solution.problem}")
        description = self._session.description
        calibration = CameraCalibration(
            description.base_frame, description.camera_frame, solved.solution.camera_in_base
        )
        try:
            write_camera_calibration(self._settings.out, calibration, solved.remarks)
        except CalibrationError as error:
            raise CalibrationDataError(str(error)) from error
        return f"written: {self._settings.out}\n" + "\n".join(solved.remarks)

    # Inputs

    def _on_image(self, image: Image) -> None:
        self._images.append(image)

    def _on_camera_info(self, info: CameraInfo) -> None:
        try:
            intrinsics = decode_intrinsics(info)
        except MessageError as error:
            self._lens_problem = str(error)
            return
        distortion = tuple(float(value) for value in info.d)
        if any(distortion) and info.distortion_model not in _LENS_MODELS:
            self._lens_problem = (
                f"the lens model {info.distortion_model!r} is not known here; "
                f"expected {' or '.join(_LENS_MODELS)}"
            )
            return
        lens = Lens(intrinsics, distortion)
        if self._session is not None and lens != self._session.description.lens:
            self._lens_problem = "the camera info has changed since the session began; start another session"
            self._lens = None
            return
        self._lens, self._camera_frame = lens, info.header.frame_id

    def _on_joint_state(self, message: JointState) -> None:
        assert self._settings.chain is not None
        try:
            sample = decode_joint_state(message, self._settings.chain.joint_names)
        except MessageError as error:
            self._joint_problem = str(error)
            return
        self._joints.add(sample.stamp_ns, sample.positions)

    def _hand_at(self, stamp_ns: int) -> NDArray[np.float64] | None:
        settings = self._settings
        if settings.chain is not None:
            positions = self._joints.positions_at(stamp_ns)
            return None if positions is None else settings.chain.tip_in_base(positions)
        try:
            found = self._buffer.lookup_transform(
                settings.base_frame, settings.hand_frame, Time(nanoseconds=stamp_ns)
            )
            return decode_transform(found.transform)
        except (TransformException, MessageError):
            return None

    def _known_lens(self) -> Lens:
        if self._lens is None:
            raise CalibrationDataError(f"{self._settings.camera_info_topic}: {self._lens_problem}")
        return self._lens

    def _still_image(self) -> tuple[Image, NDArray[np.float64]]:
        """The newest image for which the hand is known before and after, and where the hand was."""
        if not self._images:
            raise CalibrationDataError(
                f"no image has come on {self._settings.colour_topic}; is the camera running?"
            )
        if self._settings.chain is not None and self._joints.newest_ns is None:
            raise CalibrationDataError(f"{self._settings.joint_states_topic}: {self._joint_problem}")
        window_ns = nanoseconds_from(STILL_FOR_S)
        for image in reversed(self._images):
            stamp_ns = decode_stamp(image.header.stamp)
            if self._hand_at(stamp_ns + window_ns) is None:
                continue
            hand = still_hand(self._hand_at, stamp_ns)
            if isinstance(hand, NoStillHand):
                raise CalibrationDataError(hand.reason)
            return image, hand.hand_in_base
        source = (
            f"TF has no {self._settings.base_frame} -> {self._settings.hand_frame}"
            if self._settings.chain is None
            else "joint states come with other stamps"
        )
        raise CalibrationDataError(
            f"no pose of the hand at any image's stamp ({source}): do the clocks of robot and camera agree?"
        )

    # Session and advice

    def _open_session(self, lens: Lens) -> CalibrationSession:
        if self._session is None:
            settings = self._settings
            description = SessionDescription(
                settings.board, lens, settings.base_frame, settings.hand_frame, self._camera_frame
            )
            self._session = CalibrationSession.create(settings.folder, description)
            self._poses = self._session.captured()[0]
            if self._poses:
                self._say(f"going on with {len(self._poses)} poses in {settings.folder}")
        return self._session

    def _advice(self, lens: Lens) -> str:
        views = [pose.view for pose in self._poses]
        board_in_hand = None
        if len(views) > MIN_POSES:
            try:
                board_in_hand = solve(self._poses, lens.intrinsics).board_in_hand
            except CalibrationDataError as error:
                return f"so far: {error}"
        found = diversity(views, lens.intrinsics, board_in_hand)
        return advice(found, suggest_poses(views, self._settings.board, lens.intrinsics, board_in_hand))

    # People

    def _served(
        self, command: Callable[[], str]
    ) -> Callable[[Trigger.Request, Trigger.Response], Trigger.Response]:
        def serve(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            try:
                response.message, response.success = command(), True
            except CalibrationDataError as error:
                response.message, response.success = str(error), False
            self._say(response.message)
            return response

        return serve

    def _read_keys(self) -> None:
        commands = {"": self.capture, "c": self.capture, "u": self.undo, "s": self.solve}
        while (key := self._next_key()) is not None:
            if key == "q":
                raise SystemExit(0)
            if key not in commands:
                self._say("keys: Enter captures, u undoes, s solves and writes, q quits")
                continue
            try:
                self._say(commands[key]())
            except CalibrationDataError as error:
                self._say(str(error))

    def _show(self) -> None:
        if not self._images or self._lens is None or self._preview.get_subscription_count() == 0:
            return
        image = self._images[-1]
        try:
            pixels = _pixels(image)
            view = find_board(pixels, self._settings.board, self._lens)
        except CalibrationDataError:
            return
        self._preview.publish(encode_colour(_drawn(pixels, view, len(self._poses)), image.header))


def _pixels(image: Image) -> NDArray[np.uint8]:
    try:
        return decode_colour(image)
    except MessageError as error:
        raise CalibrationDataError(str(error)) from error


def _drawn(pixels: NDArray[np.uint8], view: BoardView | None, poses: int) -> NDArray[np.uint8]:
    """Copy of ``pixels`` (H, W, 3) with the corners found and the number of poses."""
    canvas = np.ascontiguousarray(pixels).copy()
    words = f"{poses} poses, " + (
        "no board" if view is None else f"{view.count} corners, {view.error:.2f} px"
    )
    cv2.putText(canvas, words, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, _GREEN, 1, cv2.LINE_AA)
    for u, v in [] if view is None else view.raw_pixels:
        cv2.circle(canvas, (round(u), round(v)), 4, _GREEN, 1, cv2.LINE_AA)
    return canvas
