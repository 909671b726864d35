"""What ``trace_node`` and ``trace_follower`` answer to a recording in lockstep, computed without a ROS graph.

The nodes' own parts are used: predictor, motion core, joint buffer, message codecs. The order of things is that of
``tracegen_ros.bags.frame_steps``, as in a replay; the follower's time is the stamp of the image, its joints are the
first at or after it. Where the recording tells with what the follower called its core, the same calls are made again
instead: then the commands of a run on a live clock come out too. Traces and commands are those of the live nodes to
the last bit (``tests/integration/replay/test_parity.py``).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rclpy.time import Time
from sensor_msgs.msg import PointCloud2
from tf2_ros import Buffer, TransformException
from trajectory_msgs.msg import JointTrajectory

from ik_controller.follower import FollowerInput, FollowerOutput, Silence, TraceFollower
from ik_controller.nodes.follower_parameters import FollowerParameters
from ik_controller.nodes.joint_state_buffer import CLOCK_SET_BACK_NS, JointStateBuffer
from ik_controller.nodes.update_inputs import EPOCH_NS
from tracegen_model.camera import CameraIntrinsics
from tracegen_model.runtime import InstructionError, ObservationError
from tracegen_model.runtime.engines import EngineError
from tracegen_ros.bags.frame_ledger import FrameLedger
from tracegen_ros.bags.frame_steps import Frame, cut_into_steps
from tracegen_ros.bags.recorded import BagError
from tracegen_ros.bags.recording import Entry, Recording, Role
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
    encode_header,
    encode_joint_trajectory,
    encode_trace_grid,
    nanoseconds_from,
    seconds_from,
)
from tracegen_ros.messages.core_calls import CallKind, CoreCall, decode_core_call
from tracegen_ros.nodes.trace_node import Predictor

_TRACES_KEPT = 30

NO_DEPTH = "no depth: every pixel of the depth image is zero or NaN"


@dataclass(frozen=True)
class OfflineAnswer:
    """What the nodes say to one frame; where recorded calls are made again, those are answers of their own.

    Attributes:
        stamp_ns: Stamp of the frame's colour image [ns]; of a call without traces, its time.
        instruction: What was to be done.
        traces: None where the frame cannot be used, and for calls.
        command: None where there are no traces, or nothing to follow them with.
        output: The follower's whole decision behind ``command``.
        problem: Why something is None.
    """

    stamp_ns: int
    instruction: str
    traces: PointCloud2 | None
    command: JointTrajectory | None
    output: FollowerOutput | None
    problem: str = ""


class OfflineRun:
    """The answers to one recording.

    Args:
        recording: What was recorded.
        predictor: Fresh: with a warm start, traces depend on those before.
        follower: Fresh; None computes the traces alone.
        parameters: The follower node's parameters.
        sync_tolerance_s: How far the stamps of colour and depth may be apart [s].
        instruction: What is to be done, in place of what was recorded.
        repeat_calls: Make the recorded calls again, where there are any and ``instruction`` is empty.
    """

    def __init__(
        self,
        recording: Recording,
        predictor: Predictor,
        follower: TraceFollower | None = None,
        parameters: FollowerParameters | None = None,
        sync_tolerance_s: float = 0.01,
        instruction: str = "",
        repeat_calls: bool = True,
    ) -> None:
        self._recording = recording
        self._predictor = predictor
        self._follower = follower
        self._parameters = parameters or FollowerParameters()
        if follower is not None:
            self._parameters = self._parameters.for_robot(follower.robot)
        self._tolerance_ns = nanoseconds_from(sync_tolerance_s)
        self._instruction = instruction or recording.topic_map.instruction_text or ""
        gap_ns = nanoseconds_from(self._parameters.joint_gap_s)
        self._joints, self._fingers = JointStateBuffer(gap_ns), JointStateBuffer(gap_ns)
        self._joint_names = follower.robot.joint_names if follower is not None else ()
        self._intrinsics: CameraIntrinsics | None = None
        self._transforms = Buffer()
        self._camera_in_base: dict[str, NDArray[np.float64]] = {}
        self._ledger = FrameLedger()
        has_calls = recording.topic_of(Role.CORE_CALLS) is not None
        self._repeats_calls = repeat_calls and has_calls and follower is not None and not instruction
        self._calls: deque[CoreCall] = deque()
        self._seen: OrderedDict[int, tuple[PointCloud2, NDArray[np.float32]]] = OrderedDict()
        self._epoch_ns: int | None = None
        self._updated_ns = 0

    def answers(self) -> Iterator[OfflineAnswer]:
        """The answer to each frame that is answered, in order; damaged messages are left out."""
        self._begin()
        shown: Frame | None = None
        for step in cut_into_steps(self._recording.entries(), self._tolerance_ns):
            for entry in step.before:
                self._hear(entry)
                yield from self._make_calls()
                if shown is not None and self._ledger.owed_ns is not None:
                    yield self._answer(shown)
            if step.frame is not None:
                shown = step.frame
                self._ledger.show(shown.stamp_ns)
                if self._ledger.owed_ns is not None:
                    yield self._answer(shown)
                    yield from self._make_calls()

    def _begin(self) -> None:
        recording = self._recording
        for transform in recording.static_transforms():
            self._transforms.set_transform_static(transform, "recording")
        self._intrinsics = recording.topic_map.intrinsics
        first = recording.first_info(Role.COLOUR_INFO)
        if first is not None:
            self._intrinsics = decode_intrinsics(first.message())
        if self._follower is not None:
            self._follower.enable(True)
        self._instruct(self._instruction)

    def _hear(self, entry: Entry) -> None:
        try:
            self._take(entry)
        except (BagError, MessageError) as error:
            self._recording.leave_out(entry.message, error)

    def _take(self, entry: Entry) -> None:
        if entry.role is Role.INSTRUCTION:
            if not self._instruction:
                self._instruct(entry.message.message().data)
        elif entry.role is Role.COLOUR_INFO:
            self._intrinsics = decode_intrinsics(entry.message.message())
        elif entry.role in (Role.JOINT_STATES, Role.GRIPPER) and self._follower is not None:
            self._hear_joints(entry)
        elif entry.role is Role.CORE_CALLS and self._repeats_calls:
            self._calls.append(decode_core_call(entry.message.message()))
        elif entry.role is Role.TF:
            for transform in entry.message.message().transforms:
                self._transforms.set_transform(transform, "recording")

    def _hear_joints(self, entry: Entry) -> None:
        message = self._recording.decoded(entry)
        assert self._follower is not None
        fingers = self._follower.robot.fingers.names
        for buffer, names in ((self._fingers, fingers), (self._joints, self._joint_names)):
            try:
                buffer.add(decode_joint_state(message, names))
            except MissingJointError:
                continue  # A gripper may publish its joints in messages of its own.
            except MessageError:
                return

    def _instruct(self, text: str) -> None:
        try:
            instruction = clean_instruction(text)
        except InstructionTextError:
            instruction = ""
        self._ledger.instruct(instruction)
        if self._follower is not None and not self._repeats_calls:
            self._follower.set_task(instruction)

    def _answer(self, frame: Frame) -> OfflineAnswer:
        self._ledger.settle()
        stamp_ns, instruction = frame.stamp_ns, self._ledger.instruction
        try:
            traces, depth = self._predict(frame, instruction)
        except (BagError, MessageError, ObservationError, InstructionError, EngineError) as error:
            return OfflineAnswer(stamp_ns, instruction, None, None, None, str(error))
        if traces is not None and self._repeats_calls:
            self._seen[stamp_ns] = (traces, depth)
            while len(self._seen) > _TRACES_KEPT:
                self._seen.popitem(last=False)
        if traces is None or self._follower is None or not frame.joints_known or self._repeats_calls:
            problem = "" if traces is not None else NO_DEPTH
            return OfflineAnswer(stamp_ns, instruction, traces, None, None, problem)
        return self._decide(stamp_ns, instruction, traces, depth)

    def _predict(self, frame: Frame, instruction: str) -> tuple[PointCloud2 | None, NDArray[np.float32]]:
        """As ``trace_node`` does."""
        colour_image = self._recording.decoded(frame.colour)
        colour, depth = decode_colour(colour_image), decode_depth(self._recording.decoded(frame.depth))
        check_same_size(colour, depth)
        if not depth.any():
            return None, depth
        assert self._intrinsics is not None, "a recording has intrinsics"
        stamp_s = seconds_from(frame.stamp_ns)
        prediction = self._predictor.predict(colour, depth, self._intrinsics, instruction, stamp_s=stamp_s)
        header = encode_header(frame.stamp_ns, colour_image.header.frame_id)
        return encode_trace_grid(prediction.traces, header), depth

    def _decide(
        self, stamp_ns: int, instruction: str, traces: PointCloud2, depth: NDArray[np.float32]
    ) -> OfflineAnswer:
        """As ``trace_follower`` does in lockstep."""
        assert self._follower is not None
        camera_in_base = self._camera_pose(traces.header.frame_id, stamp_ns)
        if camera_in_base is None:
            problem = f"no transform from {traces.header.frame_id!r} to {self._parameters.base_frame!r}"
            return OfflineAnswer(stamp_ns, instruction, traces, None, None, problem)
        behind_ns = self._updated_ns - stamp_ns
        now_ns = self._updated_ns if 0 < behind_ns < CLOCK_SET_BACK_NS else stamp_ns
        joints = self._joints.first_from(stamp_ns)
        fingers = None if joints is None else self._fingers.last_until(joints.stamp_ns)
        call = CoreCall(
            0,
            CallKind.UPDATE,
            now_ns=now_ns,
            traces_ns=stamp_ns,
            joints_ns=None if joints is None else joints.stamp_ns,
            fingers_ns=None if fingers is None else fingers.stamp_ns,
            has_depth=True,
            has_camera=True,
            knows_joints=True,
        )
        output = self._update(call, traces, depth, camera_in_base)
        return OfflineAnswer(stamp_ns, instruction, traces, self._command(output), output)

    def _make_calls(self) -> Iterator[OfflineAnswer]:
        """The recorded calls whose inputs are there."""
        assert self._follower is not None or not self._calls
        while self._calls:
            call = self._calls[0]
            traces, depth = self._seen.get(call.traces_ns or 0, (None, None))
            lacks_traces = call.traces_ns is not None and traces is None
            if lacks_traces or (call.joints_ns is not None and not self._joints.reaches(call.joints_ns)):
                return
            camera_in_base = None
            if traces is not None and call.has_camera:
                camera_in_base = self._camera_pose(traces.header.frame_id, call.traces_ns or 0)
                if camera_in_base is None:
                    return
            self._calls.popleft()
            if call.kind is not CallKind.UPDATE:
                self._do(call)
                continue
            output = self._update(call, traces, depth, camera_in_base)
            stamp_ns = call.now_ns if call.traces_ns is None else call.traces_ns
            yield OfflineAnswer(stamp_ns, self._ledger.instruction, None, self._command(output), output)

    def _do(self, call: CoreCall) -> None:
        assert self._follower is not None
        if call.kind is CallKind.TASK:
            self._follower.set_task(call.text)
        elif call.kind is CallKind.ENABLE:
            self._follower.enable(call.on)
        elif call.kind is CallKind.STOP:
            self._follower.stop(call.text)
        elif call.kind is CallKind.RECOVER:
            self._follower.recover()

    def _update(
        self,
        call: CoreCall,
        traces: PointCloud2 | None,
        depth: NDArray[np.float32] | None,
        camera_in_base: NDArray[np.float64] | None,
    ) -> FollowerOutput:
        assert self._follower is not None
        if self._epoch_ns is None:
            self._epoch_ns = call.now_ns // EPOCH_NS * EPOCH_NS
        joints = None if call.joints_ns is None else self._joints.first_from(call.joints_ns)
        fingers = None if call.fingers_ns is None else self._fingers.last_until(call.fingers_ns)
        at_traces = call.traces_ns is not None and call.knows_joints
        self._updated_ns = call.now_ns
        return self._follower.update(
            FollowerInput(
                now_s=seconds_from(call.now_ns - self._epoch_ns),
                trace_stamp_s=None
                if call.traces_ns is None
                else seconds_from(call.traces_ns - self._epoch_ns),
                traces=None if traces is None else decode_trace_grid(traces),
                camera_in_base=camera_in_base,
                intrinsics=self._intrinsics,
                depth_m=depth if call.has_depth else None,
                joints_at_trace=self._joints.positions_at(call.traces_ns or 0) if at_traces else None,
                joint_state_now=None if joints is None else (joints.positions, joints.velocities),
                finger_width_m=None
                if fingers is None
                else self._follower.robot.fingers.opening(fingers.positions),
                gripper_busy=call.gripper_busy,
                silent=Silence.named(call.silent),
            )
        )

    def _command(self, output: FollowerOutput) -> JointTrajectory | None:
        if output.trajectory is None:
            return None
        trajectory, start_ns = output.trajectory, nanoseconds_from(output.start_s)
        return encode_joint_trajectory(
            self._joint_names,
            trajectory.times_s,
            trajectory.positions,
            trajectory.velocities,
            trajectory.accelerations,
            encode_header((self._epoch_ns or 0) + start_ns, self._parameters.base_frame),
        )

    def _camera_pose(self, frame_id: str, stamp_ns: int) -> NDArray[np.float64] | None:
        """Pose of the camera in the base frame at ``stamp_ns``, from the topic map or the recorded transforms."""
        if frame_id in self._camera_in_base:
            return self._camera_in_base[frame_id]
        base_frame = self._parameters.base_frame
        fixed = self._recording.camera_transform(frame_id)
        try:
            found = fixed or self._transforms.lookup_transform(base_frame, frame_id, Time())
            stands_still = fixed is not None or decode_stamp(found.header.stamp) == 0
            if not stands_still:
                at_ns = Time(nanoseconds=stamp_ns)
                found = self._transforms.lookup_transform(base_frame, frame_id, at_ns)
        except TransformException:
            return None
        camera_in_base = decode_transform(found.transform)
        if stands_still:
            self._camera_in_base[frame_id] = camera_in_base
        return camera_in_base
