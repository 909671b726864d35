"""A bag as the evaluation sees it: joints over time, RGB-D frames with their instruction, camera, recorded traces."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.time import Time
from tf2_ros import Buffer, TransformException

from ik_controller.evaluation.recording import Camera, FloatArray, JointTrack, RecordedFrame, RecordingError
from ik_controller.robot_model import RobotModel
from tracegen_model.camera import CameraIntrinsics
from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.bags.bag_reader import Bag
from tracegen_ros.bags.frame_steps import Frame, cut_into_steps
from tracegen_ros.bags.recorded import BagError, RecordedMessage
from tracegen_ros.bags.recording import CLOCK_SET_BACK_NS, Entry, Recording, Role, stamp_of
from tracegen_ros.bags.topic_map import TopicMap
from tracegen_ros.instruction import InstructionTextError, clean_instruction
from tracegen_ros.messages import (
    MessageError,
    MissingJointError,
    check_same_size,
    decode_colour,
    decode_depth,
    decode_intrinsics,
    decode_joint_state,
    decode_stamp,
    decode_trace_grid,
    decode_transform,
    nanoseconds_from,
)

JOINT_STEP_NS = nanoseconds_from(0.002)
"""Joint samples nearer to each other than this are left out [ns]: a robot at 1 kHz says nothing new between."""

TRACES_KEPT = 300
"""Recorded traces that wait for the window that starts with their image."""

PAUSE_NS = nanoseconds_from(60.0)
"""A clock that was set back goes on this much later [ns], so that nothing reaches across."""


@dataclass(frozen=True)
class _Restart:
    """From ``received_ns`` on, ``shift_ns`` is added to stamps so that time goes on."""

    received_ns: int
    shift_ns: int


class EvaluatedBag:
    """One bag, read twice: once for its small messages, once for its images.

    Args:
        name: For reports.
        bag: Open for as long as this is used.
        topic_map: Where its topics are, and what it lacks.
        robot: Whose joints and fingers were recorded.
        base_frame: Name of the robot's base frame; empty = the robot description's own.
        sync_tolerance_s: Stamps of colour and depth may be this far apart [s].

    Attributes:
        joints: The robot's joints.
        camera: The static camera.
        problems: What is wrong with it, and what was left out, a sentence each.

    Raises:
        BagError: It lacks images, intrinsics, joint states or the camera's pose.
    """

    def __init__(
        self,
        name: str,
        bag: Bag,
        topic_map: TopicMap,
        robot: RobotModel,
        base_frame: str = "",
        sync_tolerance_s: float = 0.01,
    ) -> None:
        self.name = name
        self._bag = bag
        self._recording = Recording(bag, topic_map)
        self._tolerance_ns = nanoseconds_from(sync_tolerance_s)
        self._unread: dict[str, int] = {}
        self._restarts: list[_Restart] = []
        # Another recording looks: static transforms are read again, and damaged ones are counted once.
        missing = Recording(bag, topic_map).lacks_for_commands
        if missing is not None:
            raise BagError(missing)
        self._start_ns = -1
        self.joints = self._read_joints(robot)
        self.camera = self._read_camera(base_frame or robot.base_frame)
        self._traces: OrderedDict[int, TraceGrid] = OrderedDict()

    @property
    def length_s(self) -> float:
        """From the first joint state to the last [s]."""
        return float(self.joints.times_s[-1] - self.joints.times_s[0])

    @property
    def has_traces(self) -> bool:
        """Traces were recorded."""
        topic = self._recording.topic_of(Role.TRACES)
        return topic is not None and self._bag.topics[topic].count != 0

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the bag; complete once the frames have been read."""
        unread = [f"{count} times: {words}" for words, count in self._unread.items()]
        if self._restarts:
            unread.append(f"the clock was set back {len(self._restarts)} times; nothing is compared across")
        return (*self._recording.problems, *unread)

    def recorded_traces(self, stamp_ns: int) -> TraceGrid | None:
        """The traces that were recorded for the image of ``stamp_ns``, if they were read lately."""
        return self._traces.get(stamp_ns)

    def frames(self) -> Iterator[RecordedFrame]:
        """RGB-D images in order, each with the instruction in force."""
        instruction = self._clean(self._recording.topic_map.instruction_text or "")
        fixed = bool(instruction)
        for step in cut_into_steps(self._entries(), self._tolerance_ns):
            for entry in step.before:
                if entry.role is Role.INSTRUCTION and not fixed:
                    instruction = self._instruction(entry)
                elif entry.role is Role.TRACES:
                    self._keep_traces(entry)
            if step.frame is not None:
                frame = self._frame(step.frame, instruction)
                if frame is not None:
                    yield frame

    def _entries(self) -> Iterator[Entry]:
        """Only what the frames need."""
        wanted = (Role.COLOUR, Role.DEPTH, Role.JOINT_STATES, Role.INSTRUCTION, Role.TRACES)
        return (entry for entry in self._recording.entries() if entry.role in wanted)

    def _instruction(self, entry: Entry) -> str:
        """Text of an instruction; empty where it cannot be read: what was asked for from then on is not known."""
        try:
            return self._clean(entry.message.message().data)
        except BagError as error:
            self._recording.leave_out(entry.message, error)
            return ""

    def _frame(self, frame: Frame, instruction: str) -> RecordedFrame | None:
        looked_at = frame.colour
        try:
            colour = decode_colour(self._recording.decoded(frame.colour))
            looked_at = frame.depth
            depth = decode_depth(self._recording.decoded(frame.depth))
            looked_at = frame.colour
            check_same_size(colour, depth)
            size = (self.camera.intrinsics.height, self.camera.intrinsics.width)
            if colour.shape[:2] != size:
                raise BagError(
                    f"an image is {colour.shape[1]}x{colour.shape[0]} px, the intrinsics are for {size[1]}x{size[0]}"
                )
        except (BagError, MessageError) as error:
            self._recording.leave_out(looked_at.message, error)
            return None
        time_s = self._time_s(frame.stamp_ns, frame.colour.message.received_ns)
        return RecordedFrame(time_s, frame.stamp_ns, colour, depth, instruction)

    def _keep_traces(self, entry: Entry) -> None:
        try:
            cloud = entry.message.message()
            self._traces[decode_stamp(cloud.header.stamp)] = decode_trace_grid(cloud)
        except (BagError, MessageError) as error:
            self._recording.leave_out(entry.message, error)
        while len(self._traces) > TRACES_KEPT:
            self._traces.popitem(last=False)

    def _clean(self, text: str) -> str:
        try:
            return clean_instruction(text)
        except InstructionTextError as error:
            self._note(str(error))
            return ""

    def _read_joints(self, robot: RobotModel) -> JointTrack:
        topics = {
            topic
            for topic, role in self._recording.roles.items()
            if role in (Role.JOINT_STATES, Role.GRIPPER)
        }
        arm: list[tuple[int, FloatArray]] = []
        fingers: list[tuple[int, FloatArray]] = []
        shift_ns, newest_ns = 0, None
        for message, states in self._decoded(topics, Role.JOINT_STATES):
            for names, samples in ((robot.joint_names, arm), (robot.fingers.names, fingers)):
                try:
                    sample = decode_joint_state(states, names)
                except MissingJointError:
                    continue  # A gripper may publish its joints in messages of its own.
                except MessageError as error:
                    self._recording.leave_out(message, error)
                    continue
                if newest_ns is not None and sample.stamp_ns < newest_ns - CLOCK_SET_BACK_NS:
                    shift_ns += newest_ns - sample.stamp_ns + PAUSE_NS
                    self._restarts.append(_Restart(message.received_ns, shift_ns))
                    newest_ns = sample.stamp_ns
                newest_ns = sample.stamp_ns if newest_ns is None else max(newest_ns, sample.stamp_ns)
                stamp_ns = sample.stamp_ns + shift_ns
                if not samples or stamp_ns >= samples[-1][0] + JOINT_STEP_NS:
                    samples.append((stamp_ns, sample.positions))
        if len(arm) < 2:
            raise BagError(
                f"{self._bag.path} has {len(arm)} states of the joints {', '.join(robot.joint_names)}; where the hand "
                "is cannot be known. Are they named otherwise? Give joint_names in a mapping file"
            )
        self._start_ns = arm[0][0]
        finger_times = np.array([1e-9 * (stamp_ns - self._start_ns) for stamp_ns, _ in fingers])
        try:
            return JointTrack(
                np.array([1e-9 * (stamp_ns - self._start_ns) for stamp_ns, _ in arm]),
                np.array([positions for _, positions in arm]),
                finger_times,
                np.array([robot.fingers.from_middle(positions) for _, positions in fingers]).reshape(-1, 2),
            )
        except RecordingError as error:
            raise BagError(f"{self._bag.path}: {error}") from error

    def _read_camera(self, base_frame: str) -> Camera:
        recording = self._recording
        camera_frame = Recording(self._bag, recording.topic_map).camera_frame()
        fixed = recording.camera_transform(camera_frame)
        return Camera(
            self._camera_pose(base_frame, camera_frame)
            if fixed is None
            else decode_transform(fixed.transform),
            self._intrinsics(),
        )

    def _intrinsics(self) -> CameraIntrinsics:
        if self._recording.topic_map.intrinsics is not None:
            return self._recording.topic_map.intrinsics
        topic = self._recording.topic_of(Role.COLOUR_INFO)
        why = "has no camera info that can be read"
        for message, info in self._decoded({topic} if topic else set(), Role.COLOUR_INFO):
            try:
                return decode_intrinsics(info)
            except MessageError as error:
                why = f"has no camera info that can be used: {error}"
                self._recording.leave_out(message, error)
        raise BagError(f"{self._bag.path} {why}; give the intrinsics in a mapping file")

    def _camera_pose(self, base_frame: str, camera_frame: str) -> FloatArray:
        buffer = Buffer()
        for transform in self._recording.static_transforms():
            buffer.set_transform_static(transform, self.name)
        topic = self._recording.topic_of(Role.TF)
        for _, transforms in self._decoded({topic} if topic else set(), Role.TF):
            for transform in transforms.transforms:
                # The camera stands still: the last word on a moving frame is as good as any.
                buffer.set_transform_static(transform, self.name)
        try:
            return decode_transform(buffer.lookup_transform(base_frame, camera_frame, Time()).transform)
        except (TransformException, MessageError) as error:
            raise BagError(
                f"{self._bag.path} does not say where the camera {camera_frame!r} stands in {base_frame!r}: {error}; "
                "give camera_pose in a mapping file, or --base-frame"
            ) from error

    def _decoded(self, topics: set[str], role: Role) -> Iterator[tuple[RecordedMessage, Any]]:
        """Messages on ``topics`` as recorded and decoded; damaged ones are left out."""
        for message in self._bag.messages(topics):
            try:
                decoded = self._recording.decoded(Entry(message, role, None, 0))
            except BagError as error:
                # The pass over the frames counts what is too short for a stamp.
                if role is Role.TF or _has_stamp(message):
                    self._recording.leave_out(message, error)
                continue
            yield message, decoded

    def _time_s(self, stamp_ns: int, received_ns: int) -> float:
        shifts = [restart.shift_ns for restart in self._restarts if restart.received_ns <= received_ns]
        return 1e-9 * (stamp_ns + (shifts[-1] if shifts else 0) - self._start_ns)

    def _note(self, words: str) -> None:
        self._unread[words] = self._unread.get(words, 0) + 1


def _has_stamp(message: RecordedMessage) -> bool:
    try:
        stamp_of(message)
    except BagError:
        return False
    return True
