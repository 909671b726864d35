"""``trace_follower``: traces and robot state in, joint trajectories and gripper goals out.

A thin shell around ``ik_controller.follower``: it brings together what belongs to one instant, calls the core, and
sends what the core decided. Decisions are made when traces, their depth image and their joint states are all there, in
whatever order they came; between traces a watchdog on the node's clock looks after the motion. A gripper goal is
accepted before the trajectory that goes with it is sent. Lifecycle: *configure* builds the robot model, *activate*
subscribes.
"""

from __future__ import annotations

import re
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Path
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image, JointState, PointCloud2
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger
from tf2_ros import Buffer, TransformException, TransformListener
from trajectory_msgs.msg import JointTrajectory

from ik_controller.calibration_gate import CalibrationGate
from ik_controller.follower import (
    FollowerConfig,
    FollowerInput,
    FollowerOutput,
    FollowerState,
    TraceFollower,
)
from ik_controller.joint_limits import LimitsError
from ik_controller.nodes.follower_parameters import FollowerParameters
from ik_controller.nodes.gripper_link import GripperLink
from ik_controller.nodes.joint_state_buffer import JointStateBuffer
from ik_controller.resources import ResourceError
from ik_controller.robot_model import RobotModel, RobotModelError
from tracegen_model.camera import CameraIntrinsics
from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.instruction import InstructionTextError, clean_instruction
from tracegen_ros.instruction_subscription import subscribe_to_instructions
from tracegen_ros.latency import LatencyWindow, RateWindow
from tracegen_ros.messages import (
    JointSample,
    Level,
    MessageError,
    MissingJointError,
    decode_depth,
    decode_intrinsics,
    decode_joint_state,
    decode_stamp,
    decode_trace_grid,
    decode_transform,
    encode_diagnostics,
    encode_header,
    encode_joint_trajectory,
    encode_path,
    nanoseconds_from,
    seconds_from,
)
from tracegen_ros.messages.core_calls import CallKind, CoreCall, decode_core_call, encode_core_call
from tracegen_ros.parameters import declare_parameters
from tracegen_ros.qos import LATCHED, LATEST, LOGGED, SENSOR
from tracegen_ros.spinning import run_node

NAME = "trace_follower"
DIAGNOSTIC_NAME = "trace_follower: motion"
FINGER_JOINTS = ("fr3_finger_joint1", "fr3_finger_joint2")

_WATCHDOG_PERIOD_S = 0.05
_PATIENCE_PERIOD_S = 0.1
_CALIBRATION_CHECK_PERIOD_S = 0.5
_DEPTH_IMAGES_KEPT = 30
_TRACES_KEPT = 30

CLOCK_SET_BACK_NS = nanoseconds_from(1.0)
"""A clock this much behind the last update [ns] was set back; less is a message that is late."""

EPOCH_NS = nanoseconds_from(1e6)
"""The core's time starts at a multiple of this [ns]: seconds since 1970 would cost a float seven digits."""


@dataclass(frozen=True)
class _Observation:
    """Traces that wait for what belongs to their instant."""

    stamp_ns: int
    frame_id: str
    traces: TraceGrid
    arrived_s: float


class TraceFollowerNode(LifecycleNode):
    """Moves the arm along the newest traces for as long as there is an instruction and it is enabled.

    Args:
        make_follower: How the motion core is made at configure.
    """

    def __init__(
        self, make_follower: Callable[[RobotModel, FollowerConfig], TraceFollower] = TraceFollower
    ) -> None:
        super().__init__(NAME)
        self._make_follower = make_follower
        self._settings = declare_parameters(self, FollowerParameters)
        self._steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._active = False

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Build the robot model and everything that speaks; nothing is heard yet."""
        parameters = self._settings
        try:
            self._robot = RobotModel.fr3(parameters.limits)
        except (RobotModelError, LimitsError, ResourceError) as error:
            self.get_logger().fatal(f"cannot build the robot model: {error}")
            return TransitionCallbackReturn.FAILURE
        self.get_logger().info(f"joint limits in force: {self._robot.limits.name}")
        self._follower = self._make_follower(self._robot, parameters.follower_config())
        self._latency = LatencyWindow()
        self._rate = RateWindow()
        self._joint_names = self._robot.joint_names
        self._trajectories = self.create_publisher(JointTrajectory, parameters.trajectory_topic, LATEST)
        self._states = self.create_publisher(String, "~/state", LATCHED)
        self._hand_paths = self.create_publisher(Path, "~/hand_path", LATEST)
        self._core_calls = self.create_publisher(String, "~/core_calls", LOGGED)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._transforms = Buffer()
        self._transform_listener = TransformListener(self._transforms, self)
        self._gripper = GripperLink(self, parameters.gripper_action)
        self._offered_services = [
            self.create_service(SetBool, "~/enable", self._on_enable),
            self.create_service(Trigger, "~/stop", self._on_stop),
        ]
        self._timers_in_use = [
            self.create_timer(_WATCHDOG_PERIOD_S, self._watch),
            self.create_timer(_PATIENCE_PERIOD_S, self._lose_patience, clock=self._steady_clock),
            self.create_timer(_CALIBRATION_CHECK_PERIOD_S, self._check_calibration, clock=self._steady_clock),
            self.create_timer(
                1.0 / parameters.diagnostics_rate_hz, self._publish_diagnostics, clock=self._steady_clock
            ),
        ]
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Listen, and follow from now on."""
        parameters = self._settings
        self._joints = JointStateBuffer(nanoseconds_from(parameters.joint_gap_s))
        self._fingers = JointStateBuffer(nanoseconds_from(parameters.joint_gap_s))
        self._depths: OrderedDict[int, Image] = OrderedDict()
        self._intrinsics: CameraIntrinsics | None = None
        self._camera_in_base: dict[str, NDArray[np.float64]] = {}
        self._pending: _Observation | None = None
        self._processed_ns: int | None = None
        self._updated_ns = 0
        self._task = ""
        self._output: FollowerOutput | None = None
        self._last_event = ""
        self._trajectories_sent = 0
        self._epoch_ns: int | None = None
        self._input_errors: dict[str, str] = {}
        self._gate = CalibrationGate(self._robot, needed=parameters.calibration_check)
        self._checked_ns = 0
        self._call_count = 0
        self._seen: OrderedDict[int, _Observation] = OrderedDict()
        self._calls_to_make: deque[CoreCall] | None = None
        self._subscriptions_in_use = [
            self.create_subscription(PointCloud2, parameters.traces_topic, self._on_traces, LATEST),
            self.create_subscription(Image, parameters.depth_topic, self._on_depth, SENSOR),
            self.create_subscription(CameraInfo, parameters.camera_info_topic, self._on_camera_info, SENSOR),
            self.create_subscription(JointState, parameters.joint_states_topic, self._on_joint_state, 50),
            *subscribe_to_instructions(self, parameters.instruction_topic, self._on_instruction),
        ]
        if parameters.calls_topic:
            self._subscriptions_in_use.append(
                self.create_subscription(String, parameters.calls_topic, self._on_recorded_call, LOGGED)
            )
        self._enabled = parameters.enabled
        self._call(CallKind.ENABLE, on=parameters.enabled)
        self._active = True
        self._shown = ""
        self._show_state("waiting for an instruction")
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Bring the arm to rest and stop listening."""
        self._call(CallKind.STOP, text="deactivated")
        self._tick()
        self._active = False
        for subscription in self._subscriptions_in_use:
            self.destroy_subscription(subscription)
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of everything that configure made."""
        for timer in self._timers_in_use:
            self.destroy_timer(timer)
        self._timers_in_use = []
        for service in self._offered_services:
            self.destroy_service(service)
        for publisher in (
            self._trajectories,
            self._states,
            self._hand_paths,
            self._core_calls,
            self._diagnostics,
        ):
            self.destroy_publisher(publisher)
        self._gripper.destroy()
        self._transform_listener.unregister()
        return TransitionCallbackReturn.SUCCESS

    # Inputs

    def _on_traces(self, cloud: PointCloud2) -> None:
        stamp_ns = decode_stamp(cloud.header.stamp)
        try:
            traces = decode_trace_grid(cloud)
        except MessageError as error:
            self._note_input("traces", str(error))
            return
        self._note_input("traces", "")
        self._pending = _Observation(stamp_ns, cloud.header.frame_id, traces, time.monotonic())
        self._seen[stamp_ns] = self._pending
        while len(self._seen) > (1 if self._calls_to_make is None else _TRACES_KEPT):
            self._seen.popitem(last=False)
        self._process_pending()

    def _on_depth(self, image: Image) -> None:
        self._depths[decode_stamp(image.header.stamp)] = image
        while len(self._depths) > _DEPTH_IMAGES_KEPT:
            self._depths.popitem(last=False)
        self._process_pending()

    def _on_camera_info(self, info: CameraInfo) -> None:
        try:
            self._intrinsics = decode_intrinsics(info)
        except MessageError as error:
            self._note_input("camera info", str(error))
            return
        self._note_input("camera info", "")
        self._process_pending()

    def _on_joint_state(self, message: JointState) -> None:
        try:
            self._fingers.add(decode_joint_state(message, FINGER_JOINTS))
        except MissingJointError:
            pass  # A gripper may publish its joints in messages of its own.
        except MessageError as error:
            self._note_input("joint states", str(error))
        try:
            self._joints.add(decode_joint_state(message, self._joint_names))
        except MissingJointError as error:
            if not set(FINGER_JOINTS).issuperset(message.name):
                self._note_input("joint states", str(error))
            return
        except MessageError as error:
            self._note_input("joint states", str(error))
            return
        self._note_input("joint states", "")
        self._process_pending()

    def _on_instruction(self, message: String) -> None:
        try:
            task = clean_instruction(message.data)
            self._note_input("instruction", "")
        except InstructionTextError as error:
            task = ""
            self._note_input("instruction", str(error))
        self._task = task
        if self._calls_to_make is not None:
            return
        self._call(CallKind.TASK, text=task if self._gate.is_open else "")
        if task:
            self._process_pending()
            return
        self._pending = None
        if not self._settings.lockstep:
            self._tick()

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._enabled = request.data
        self._call(CallKind.ENABLE, on=request.data)
        self._tick()
        response.success = True
        response.message = "enabled" if request.data else "disabled: the arm comes to rest"
        self.get_logger().info(response.message)
        return response

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._enabled = False
        self._call(CallKind.STOP, text="stop service")
        self._tick()
        response.success = True
        response.message = "the arm comes to rest; the enable service lets it go on"
        self.get_logger().warning(f"stopped by service: {response.message}")
        return response

    def _note_input(self, name: str, error: str) -> None:
        if error and self._input_errors.get(name) != error:
            self.get_logger().error(f"{name}: {error}")
        self._input_errors[name] = error

    # Decisions

    def _call(self, kind: CallKind, *, text: str = "", on: bool = False) -> None:
        """Tell the core what is not an update, and keep record of it."""
        if kind is CallKind.TASK:
            self._follower.set_task(text)
        elif kind is CallKind.ENABLE:
            self._follower.enable(on)
        elif kind is CallKind.STOP:
            self._follower.stop(text)
        self._tell(CoreCall(self._call_count, kind, text, on))

    def _tell(self, call: CoreCall) -> None:
        self._call_count = call.number + 1
        self._core_calls.publish(encode_core_call(call))

    def _on_recorded_call(self, message: String) -> None:
        """A replay says what a recorded run's core was called with: do the same, once the inputs are there."""
        try:
            call = decode_core_call(message)
        except MessageError as error:
            self._note_input("recorded calls", str(error))
            return
        if call.kind is CallKind.BEGIN:
            self._calls_to_make = deque()
            self._call(CallKind.ENABLE, on=True)
            self._call(CallKind.TASK)
            self._tell(call)
        elif call.kind is CallKind.END:
            self._calls_to_make = None
            self._call(CallKind.TASK, text=self._task)
            self._tell(call)
        elif self._calls_to_make is not None:
            self._calls_to_make.append(call)
            self._make_recorded_calls()

    def _make_recorded_calls(self) -> None:
        while self._calls_to_make and not self._gripper.waiting:
            call = self._calls_to_make[0]
            observation = None if call.traces_ns is None else self._seen.get(call.traces_ns)
            if not self._has_inputs(call, observation):
                return
            self._calls_to_make.popleft()
            if call.kind is CallKind.UPDATE:
                camera_in_base = (
                    None
                    if observation is None or not call.has_camera
                    else self._camera_pose(observation.frame_id)
                )
                self._update(observation, camera_in_base, call)
            else:
                self._call_count = call.number
                self._call(call.kind, text=call.text, on=call.on)

    def _has_inputs(self, call: CoreCall, observation: _Observation | None) -> bool:
        """What ``call`` names has arrived."""
        if call.joints_ns is not None and not self._joints.reaches(call.joints_ns):
            return False
        if call.traces_ns is None:
            return True
        return (
            observation is not None
            and (not call.has_depth or self._depth_near(call.traces_ns) is not None)
            and (
                not call.has_camera
                or (self._intrinsics is not None and self._camera_pose(observation.frame_id) is not None)
            )
        )

    def _process_pending(self, *, incomplete: bool = False) -> None:
        """Follow the waiting traces if all that belongs to their instant is there, or if it is waited for in vain."""
        if self._calls_to_make is not None:
            self._make_recorded_calls()
            return
        pending = self._pending
        if pending is None or not self._task or self._gripper.waiting or not self._gate.is_open:
            return
        camera_in_base = self._camera_pose(pending.frame_id)
        complete = (
            self._depth_near(pending.stamp_ns) is not None
            and self._joints.reaches(pending.stamp_ns)
            and self._intrinsics is not None
            and camera_in_base is not None
        )
        if complete or incomplete:
            self._pending = None
            self._processed_ns = pending.stamp_ns
            self._update(pending, camera_in_base)

    def _check_calibration(self) -> None:
        """Look at the newest depth image whose joints are known, until the camera is seen to stand where it should."""
        if not self._active or self._gate.is_open or self._intrinsics is None:
            return
        known = [
            ns for ns in self._depths if ns > self._checked_ns and self._joints.positions_at(ns) is not None
        ]
        if not known:
            return
        self._checked_ns = max(known)
        image, joints = self._depths[self._checked_ns], self._joints.positions_at(self._checked_ns)
        depth, camera_in_base = self._depth_at(self._checked_ns), self._camera_pose(image.header.frame_id)
        if depth is None or joints is None or camera_in_base is None:
            return
        width = _opening(self._fingers.newest)
        self._gate.look(depth, self._intrinsics, camera_in_base, joints, width or 0.0)
        if self._gate.is_open:
            self.get_logger().info(self._gate.reason)
            self._call(CallKind.TASK, text=self._task)
        self._tick()

    def _watch(self) -> None:
        """Look after the motion when traces fail to come."""
        if not self._active or self._settings.lockstep or self._calls_to_make is not None:
            return
        since_ns = self.get_clock().now().nanoseconds - self._updated_ns
        if since_ns >= nanoseconds_from(self._settings.tick_after_s) or since_ns <= -CLOCK_SET_BACK_NS:
            self._tick()

    def _lose_patience(self) -> None:
        """Go on without what does not come; the core says what is missing and holds."""
        if not self._active:
            return
        self._gripper.give_up_after(self._settings.gripper_timeout_s)
        if (
            self._pending is not None
            and time.monotonic() - self._pending.arrived_s > self._settings.input_timeout_s
        ):
            self._process_pending(incomplete=True)

    def _tick(self) -> None:
        """One update without traces; not while a gripper goal waits, whose trajectory has to go out first."""
        if self._active and not self._gripper.waiting:
            self._update(None, None)

    def _update(
        self,
        observation: _Observation | None,
        camera_in_base: NDArray[np.float64] | None,
        recorded: CoreCall | None = None,
    ) -> None:
        """Call the core with what there is now, or, of that, with what it was called with in a recorded run."""
        started_s = time.monotonic()
        now_ns = self._now_ns(observation) if recorded is None else recorded.now_ns
        if self._epoch_ns is None:
            self._epoch_ns = now_ns // EPOCH_NS * EPOCH_NS
        newest, fingers = (
            self._robot_state(observation) if recorded is None else self._robot_state_of(recorded)
        )
        if newest is not None and now_ns - newest.stamp_ns > nanoseconds_from(self._settings.joint_timeout_s):
            newest = None
        inputs = FollowerInput(
            now_s=seconds_from(now_ns - self._epoch_ns),
            trace_stamp_s=None
            if observation is None
            else seconds_from(observation.stamp_ns - self._epoch_ns),
            traces=None if observation is None else observation.traces,
            camera_in_base=camera_in_base,
            intrinsics=self._intrinsics,
            depth_m=None
            if observation is None or (recorded is not None and not recorded.has_depth)
            else self._depth_at(observation.stamp_ns),
            joints_at_trace=None
            if observation is None or (recorded is not None and not recorded.knows_joints)
            else self._joints.positions_at(observation.stamp_ns),
            joint_state_now=None if newest is None else (newest.positions, newest.velocities),
            finger_width_m=_opening(fingers),
            # Fingers that report their opening are watched by the core, in the time of the stamps.
            gripper_busy=(fingers is None and self._gripper.busy and not self._settings.lockstep)
            if recorded is None
            else recorded.gripper_busy,
        )
        self._tell(
            CoreCall(
                number=self._call_count if recorded is None else recorded.number,
                kind=CallKind.UPDATE,
                now_ns=now_ns,
                traces_ns=None if observation is None else observation.stamp_ns,
                joints_ns=None if newest is None else newest.stamp_ns,
                fingers_ns=None if fingers is None else fingers.stamp_ns,
                has_depth=inputs.depth_m is not None,
                has_camera=camera_in_base is not None and self._intrinsics is not None,
                knows_joints=inputs.joints_at_trace is not None,
                gripper_busy=inputs.gripper_busy,
            )
        )
        self._updated_ns = now_ns
        try:
            output = self._follower.update(inputs)
        except Exception as error:
            # The last trajectory ends at rest, so that saying nothing is safe.
            self._note_input("follower", f"{type(error).__name__}: {error}")
            return
        self._note_input("follower", "")
        decided_s = time.monotonic()
        stages_s = {"decide": decided_s - started_s}
        if observation is not None:
            stages_s["wait_for_inputs"] = started_s - observation.arrived_s
        if output.gripper is None:
            self._send(output, stages_s, decided_s)
            return

        def on_answer(refusal: str | None) -> None:
            if refusal is not None:
                self._call(CallKind.STOP, text=refusal)
                self.get_logger().error(refusal)
                self._tick()
                return
            self._send(output, stages_s, decided_s)
            self._process_pending()

        self.get_logger().info(
            f"gripper: to {1e3 * output.gripper.width:.0f} mm with {output.gripper.max_effort:.0f} N"
        )
        self._gripper.send(output.gripper.width, output.gripper.max_effort, on_answer)

    def _now_ns(self, observation: _Observation | None) -> int:
        """The node's time, but neither before the stamp of ``observation`` nor before the last update.

        Simulated time comes as messages, and those may come after the image that they belong to. In lockstep the
        observation's stamp is the time: what is decided then depends on stamps alone.
        """
        if observation is not None and self._settings.lockstep:
            now_ns = observation.stamp_ns
        else:
            now_ns = self.get_clock().now().nanoseconds
            if observation is not None:
                now_ns = max(now_ns, observation.stamp_ns)
        return self._updated_ns if 0 < self._updated_ns - now_ns < CLOCK_SET_BACK_NS else now_ns

    def _robot_state(self, observation: _Observation | None) -> tuple[JointSample | None, JointSample | None]:
        """Joints and fingers: the newest; in lockstep those of the observation's instant."""
        if observation is None or not self._settings.lockstep:
            return self._joints.newest, self._fingers.newest
        joints = self._joints.first_from(observation.stamp_ns) or self._joints.newest
        return joints, None if joints is None else self._fingers.last_until(joints.stamp_ns)

    def _robot_state_of(self, call: CoreCall) -> tuple[JointSample | None, JointSample | None]:
        joints = None if call.joints_ns is None else self._joints.first_from(call.joints_ns)
        return joints, None if call.fingers_ns is None else self._fingers.last_until(call.fingers_ns)

    def _send(self, output: FollowerOutput, stages_s: dict[str, float], decided_s: float) -> None:
        """Publish what was decided."""
        epoch_ns = self._epoch_ns or 0
        header = encode_header(epoch_ns + nanoseconds_from(output.start_s), self._settings.base_frame)
        if output.trajectory is not None:
            trajectory = output.trajectory
            self._trajectories.publish(
                encode_joint_trajectory(
                    self._joint_names,
                    trajectory.times_s,
                    trajectory.positions,
                    trajectory.velocities,
                    trajectory.accelerations,
                    header,
                )
            )
            self._trajectories_sent += 1
        stages_s["send"] = time.monotonic() - decided_s
        if "wait_for_inputs" in stages_s:
            stages_s["trace_to_command"] = sum(stages_s.values())
            self._rate.tick(time.monotonic())
        self._latency.add(stages_s)
        if output.hand_path_in_base is not None:
            self._hand_paths.publish(encode_path(output.hand_path_in_base, header))
        if output.event is not None:
            self._last_event = output.event
            self.get_logger().info(f"event: {output.event}")
        going_on = output.state is FollowerState.FOLLOW and output.trajectory is None
        if going_on and self._output is not None and self._output.state is FollowerState.FOLLOW:
            return
        self._output = output
        self._show_state(f"{output.state}: {output.reason}")

    def _show_state(self, text: str) -> None:
        """Tell people; not again where only a number in the text changed."""
        if not self._gate.is_open:
            text = f"{FollowerState.IDLE}: {self._gate.reason}"
        gist = re.sub(r"\d+(\.\d+)?", "#", text)
        if gist != self._shown:
            self._shown = gist
            self._states.publish(String(data=text))
            self.get_logger().info(text)

    def _depth_near(self, stamp_ns: int) -> Image | None:
        """The depth image that belongs to the colour image of ``stamp_ns``; cameras may stamp them apart."""
        nearest_ns = min(self._depths, key=lambda other_ns: abs(other_ns - stamp_ns), default=None)
        tolerance_ns = nanoseconds_from(self._settings.sync_tolerance_s)
        if nearest_ns is None or abs(nearest_ns - stamp_ns) > tolerance_ns:
            return None
        return self._depths[nearest_ns]

    def _depth_at(self, stamp_ns: int) -> NDArray[np.float32] | None:
        image = self._depth_near(stamp_ns)
        if image is None:
            return None
        try:
            depth = decode_depth(image)
        except MessageError as error:
            self._note_input("depth", str(error))
            return None
        self._note_input("depth", "")
        return depth

    def _camera_pose(self, frame_id: str) -> NDArray[np.float64] | None:
        """Pose of the camera in the base frame; looked up once, since the camera is fixed."""
        if frame_id not in self._camera_in_base:
            base_frame = self._settings.base_frame
            try:
                found = self._transforms.lookup_transform(base_frame, frame_id, Time())
                self._camera_in_base[frame_id] = decode_transform(found.transform)
            except (TransformException, MessageError) as error:
                self._note_input("camera pose", f"no transform from {frame_id!r} to {base_frame!r}: {error}")
                return None
        self._note_input("camera pose", "")
        return self._camera_in_base[frame_id]

    # Health

    def _health(self) -> tuple[Level, str]:
        errors = [f"{name}: {error}" for name, error in self._input_errors.items() if error]
        if errors:
            return Level.ERROR, "; ".join(errors)
        if not self._gate.is_open:
            return (
                Level.ERROR if self._gate.refused else Level.WARN,
                f"{FollowerState.IDLE}: {self._gate.reason}",
            )
        if self._output is None:
            return Level.OK, "waiting for traces" if self._task else "waiting for an instruction"
        levels = {FollowerState.HOLD: Level.WARN, FollowerState.STOP: Level.WARN}
        return levels.get(self._output.state, Level.OK), f"{self._output.state}: {self._output.reason}"

    def _publish_diagnostics(self) -> None:
        if not self._timers_in_use:
            return  # An executor driven by events calls once more for a timer that was due when it was destroyed.
        header = encode_header(self.get_clock().now().nanoseconds, "")
        if not self._active:
            self._diagnostics.publish(
                encode_diagnostics(DIAGNOSTIC_NAME, Level.OK, "inactive", {}, header, NAME)
            )
            return
        level, message = self._health()
        output = self._output
        stale_s = (
            None if self._processed_ns is None else self.get_clock().now().nanoseconds - self._processed_ns
        )
        values = {
            "state": "" if output is None else output.state,
            "reason": "" if output is None else output.reason,
            "task": self._task,
            "enabled": self._enabled,
            "calibration": self._gate.reason,
            "limits": self._robot.limits.name,
            "rate_hz": self._rate.rate_hz(time.monotonic()),
            "trajectories": self._trajectories_sent,
            "trace_age_s": None if stale_s is None else seconds_from(stale_s),
            "decided_stamp_ns": self._processed_ns,
            "last_event": self._last_event,
            "gripper": self._gripper.result,
            **({} if output is None else output.health),
            **self._latency.percentiles_ms(),
        }
        self._diagnostics.publish(encode_diagnostics(DIAGNOSTIC_NAME, level, message, values, header, NAME))


def _opening(fingers: JointSample | None) -> float | None:
    """Opening between the fingertips [m], None where the fingers have not reported."""
    return None if fingers is None else float(fingers.positions.sum())


def main() -> None:
    """Entry point of ``ros2 run ik_controller trace_follower_node``."""
    sys.exit(run_node(TraceFollowerNode))
