"""``trace_follower``: traces and robot state in, joint trajectories and gripper goals out.

A thin shell around ``ik_controller.follower``: it brings together what belongs to one instant, calls the core, and
sends what the core decided. Decisions are made when traces, their depth image and their joint states are all there, in
whatever order they came; between traces a watchdog on the node's clock looks after the motion. A gripper goal is
accepted before the trajectory that goes with it is sent. Lifecycle: *configure* builds the robot model, *activate*
subscribes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import CameraInfo, Image, JointState, PointCloud2
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger
from tf2_ros import Buffer, TransformListener

from ik_controller.calibration_gate import CalibrationGate
from ik_controller.follower import FollowerConfig, FollowerOutput, FollowerState, Silence, TraceFollower
from ik_controller.joint_limits import LimitsError
from ik_controller.nodes.calibration_look import CalibrationLook
from ik_controller.nodes.core_caller import CoreCaller
from ik_controller.nodes.decision_publisher import DecisionPublisher
from ik_controller.nodes.follower_health import decision_values, follower_health
from ik_controller.nodes.follower_parameters import FollowerParameters
from ik_controller.nodes.gripper_link import GripperLink
from ik_controller.nodes.input_errors import InputErrors
from ik_controller.nodes.instant_inputs import InstantInputs, Observation
from ik_controller.nodes.joint_state_buffer import CLOCK_SET_BACK_NS
from ik_controller.nodes.recorded_calls import RecordedCalls
from ik_controller.nodes.update_inputs import UpdateInputs
from ik_controller.nodes.watchdogs import Watchdogs
from ik_controller.resources import ResourceError
from ik_controller.robot_model import RobotModel, RobotModelError
from tracegen_ros.instruction import InstructionTextError, clean_instruction
from tracegen_ros.instruction_subscription import subscribe_to_instructions
from tracegen_ros.managed_node import ManagedNode
from tracegen_ros.messages import (
    Level,
    MessageError,
    decode_stamp,
    decode_trace_grid,
    encode_diagnostics,
    encode_header,
    nanoseconds_from,
    seconds_from,
)
from tracegen_ros.messages.core_calls import CallKind, CoreCall, decode_core_call
from tracegen_ros.parameters import ParameterError, declare_parameters
from tracegen_ros.qos import LATEST, LOGGED, SENSOR
from tracegen_ros.spinning import run_node

NAME = "trace_follower"
DIAGNOSTIC_NAME = "trace_follower: motion"

_WATCHDOG_PERIOD_S = 0.05
_PATIENCE_PERIOD_S = 0.1
_CALIBRATION_CHECK_PERIOD_S = 0.5


class TraceFollowerNode(ManagedNode):
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
        try:
            self._robot = self._settings.load_robot()
            config = self._settings.follower_config(self._robot)
        except (RobotModelError, LimitsError, ResourceError) as error:
            self.get_logger().fatal(f"cannot build the robot model: {error}")
            return TransitionCallbackReturn.FAILURE
        except ParameterError as error:
            self.get_logger().fatal(str(error))
            return TransitionCallbackReturn.FAILURE
        self._settings = parameters = self._settings.for_robot(self._robot)
        self.get_logger().info(f"joint limits in force: {self._robot.limits.name}")
        self._core_calls = self.create_publisher(String, "~/core_calls", LOGGED)
        follower = self._make_follower(self._robot, config)
        self._core = CoreCaller(follower, self._core_calls.publish)
        self._decisions = DecisionPublisher(self, parameters, self._robot.joint_names)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._transforms = Buffer()
        self._transform_listener = TransformListener(self._transforms, self)
        self._gripper = GripperLink(self, parameters.gripper_action, parameters.gripper_position_per_opening)
        self._offered_services = [
            self.create_service(SetBool, "~/enable", self._on_enable),
            self.create_service(Trigger, "~/stop", self._on_stop),
            self.create_service(Trigger, "~/recover", self._on_recover),
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
        self._errors = InputErrors(self.get_logger().error)
        self._inputs = InstantInputs(parameters, self._robot, self._transforms, self._errors)
        self._updates = UpdateInputs(self._inputs, parameters)
        self._recorded = RecordedCalls(self._inputs)
        self._watchdogs = Watchdogs(self, parameters, self._inputs, self._errors)
        self._gate = CalibrationGate(self._robot, needed=parameters.calibration_check)
        self._look = CalibrationLook(self._gate, self._inputs)
        self._pending: Observation | None = None
        self._in_vain_since_s: float | None = None
        self._processed_ns: int | None = None
        self._task = ""
        self._decisions.forget()
        fault = self._core.fault
        self._core.begin()
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
        self._enabled = parameters.enabled and fault is None
        self._core.enable(parameters.enabled)
        if fault is not None:
            # A stop is what a record of this run can tell; it waits for a person, too.
            self._core.stop(f"fault before this activation: {fault.reason}")
        self._active = True
        self._show_state(f"{FollowerState.IDLE}: waiting for an instruction")
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Bring the arm to rest and stop listening."""
        self._core.stop("deactivated")
        self._tick(stopping=True)
        self._active = False
        for subscription in self._subscriptions_in_use:
            self.destroy_subscription(subscription)
        self._watchdogs.close()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of everything that configure made."""
        for timer in self._timers_in_use:
            self.destroy_timer(timer)
        self._timers_in_use = []
        for service in self._offered_services:
            self.destroy_service(service)
        for publisher in (self._core_calls, self._diagnostics):
            self.destroy_publisher(publisher)
        self._decisions.destroy()
        self._gripper.destroy()
        self._transform_listener.unregister()
        return TransitionCallbackReturn.SUCCESS

    # Inputs

    def _on_traces(self, cloud: PointCloud2) -> None:
        stamp_ns = decode_stamp(cloud.header.stamp)
        try:
            traces = decode_trace_grid(cloud)
        except MessageError as error:
            self._errors.note("traces", str(error))
            return
        self._errors.note("traces", "")
        self._pending = Observation(stamp_ns, cloud.header.frame_id, traces, time.monotonic())
        self._recorded.note_traces(self._pending)
        self._process_pending()

    def _on_depth(self, image: Image) -> None:
        self._watchdogs.hear(Silence.CAMERA)
        self._inputs.add_depth(image)
        self._process_pending()

    def _on_camera_info(self, info: CameraInfo) -> None:
        self._watchdogs.hear(Silence.CAMERA_INFO)
        if self._inputs.add_camera_info(info):
            self._process_pending()

    def _on_joint_state(self, message: JointState) -> None:
        if not set(self._robot.fingers.names).isdisjoint(message.name):
            self._watchdogs.hear(Silence.FINGERS)
        if self._inputs.add_joint_state(message):
            self._process_pending()

    def _on_instruction(self, message: String) -> None:
        try:
            task = clean_instruction(message.data)
            self._errors.note("instruction", "")
        except InstructionTextError as error:
            task = ""
            self._errors.note("instruction", str(error))
        self._task = task
        if self._recorded.active:
            return
        self._core.set_task(task if self._gate.is_open else "")
        if task:
            self._process_pending()
            return
        self._pending = self._in_vain_since_s = None
        if not self._settings.lockstep:
            self._tick(stopping=True)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._enabled = request.data
        self._core.enable(request.data)
        self._tick(stopping=not request.data)
        response.success = True
        response.message = "enabled" if request.data else "disabled: the arm comes to rest"
        self.get_logger().info(response.message)
        return response

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._enabled = False
        self._core.stop("stop service")
        self._tick(stopping=True)
        response.success = True
        response.message = "the arm comes to rest; the enable service lets it go on"
        self.get_logger().warning(f"stopped by service: {response.message}")
        return response

    def _on_recover(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        alone = self._active and self._watchdogs.go_without_transforms()
        response.success = self._core.recover() or alone
        self._tick()
        response.message = (
            "what was wrong is forgotten: the arm may go on"
            if response.success
            else "nothing to recover from"
        )
        self.get_logger().warning(f"recovery by service: {response.message}")
        return response

    # Decisions

    def _on_recorded_call(self, message: String) -> None:
        """A replay says what a recorded run's core was called with: do the same, once the inputs are there."""
        try:
            call = decode_core_call(message)
        except MessageError as error:
            self._errors.note("recorded calls", str(error))
            return
        if call.kind is CallKind.BEGIN:
            self._recorded.begin()
            self._core.make(call)
        elif call.kind is CallKind.END:
            self._recorded.end()
            self._core.set_task(self._task)
            self._core.make(call)
        else:
            self._recorded.add(call)
            self._make_recorded_calls()

    def _make_recorded_calls(self) -> None:
        while not self._gripper.waiting and (ready := self._recorded.take_ready()) is not None:
            call, observation = ready
            if call.kind is CallKind.UPDATE:
                self._update(observation, call)
            else:
                self._core.make(call)

    def _process_pending(self, *, incomplete: bool = False) -> None:
        """Follow the waiting traces if all that belongs to their instant is there, or if it is waited for in vain."""
        if self._recorded.active:
            self._make_recorded_calls()
            return
        pending = self._pending
        if pending is None or not self._task or self._gripper.waiting or not self._gate.is_open:
            self._in_vain_since_s = None
        elif self._inputs.are_complete(pending) or incomplete:
            self._pending = None
            self._in_vain_since_s = None
            self._processed_ns = pending.stamp_ns
            self._update(pending)
        elif self._in_vain_since_s is None:
            # Newer traces take the place of those that wait, and wait no less in vain.
            self._in_vain_since_s = time.monotonic()

    def _check_calibration(self) -> None:
        """Until the camera is seen to stand where it should."""
        if not self._active or not self._look.look():
            return
        if self._gate.is_open:
            self.get_logger().info(self._gate.reason)
            self._core.set_task(self._task)
        self._tick()

    def _watch(self) -> None:
        """Look after the motion when traces fail to come."""
        if not self._active or self._settings.lockstep or self._recorded.active:
            return
        since_ns = self.get_clock().now().nanoseconds - self._updates.updated_ns
        if since_ns >= nanoseconds_from(self._settings.tick_after_s) or since_ns <= -CLOCK_SET_BACK_NS:
            self._tick()

    def _lose_patience(self) -> None:
        """Go on without what does not come; the core says what is missing and holds."""
        if not self._active:
            return
        if self._watchdogs.look() and not self._recorded.active:
            self._tick()
        self._gripper.give_up_after(self._settings.gripper_timeout_s)
        if (
            self._in_vain_since_s is not None
            and time.monotonic() - self._in_vain_since_s > self._settings.input_timeout_s
        ):
            self._process_pending(incomplete=True)

    def _tick(self, *, stopping: bool = False) -> None:
        """One update without traces; not while a gripper goal waits, whose trajectory has to go out first.

        A stop does not wait: the goal is passed over, and what was to go out with it does not.
        """
        if stopping:
            self._gripper.pass_over()
        if self._active and not self._gripper.waiting:
            self._update(None)

    def _update(self, observation: Observation | None, recorded: CoreCall | None = None) -> None:
        """Call the core with what there is now, or, of that, with what it was called with in a recorded run."""
        started_s = time.monotonic()
        if recorded is None:
            inputs, call = self._updates.of_now(
                observation,
                self.get_clock().now().nanoseconds,
                self._gripper.busy,
                self._core.number,
                self._watchdogs.silent(),
            )
        else:
            inputs, call = self._updates.of_call(recorded, observation)
        try:
            output = self._core.update(inputs, call)
        except Exception as error:
            # The last trajectory ends at rest, so that saying nothing is safe.
            self._errors.note("follower", f"{type(error).__name__}: {error}")
            return
        self._errors.note("follower", "")
        decided_s = time.monotonic()
        stages_s = {"decide": decided_s - started_s}
        if observation is not None:
            stages_s["wait_for_inputs"] = started_s - observation.arrived_s
        if output.gripper is None:
            self._send(output, stages_s, decided_s)
            return

        def on_answer(refusal: str | None) -> None:
            if refusal is not None:
                self._core.stop(refusal)
                self.get_logger().error(refusal)
                self._tick()
                return
            self._send(output, stages_s, decided_s)
            self._process_pending()

        self.get_logger().info(
            f"gripper: to {1e3 * output.gripper.width:.0f} mm with {output.gripper.max_effort:.0f} N"
        )
        self._gripper.send(output.gripper.width, output.gripper.max_effort, on_answer)

    def _send(self, output: FollowerOutput, stages_s: dict[str, float], decided_s: float) -> None:
        if self._decisions.send(output, self._updates.epoch_ns, stages_s, decided_s):
            self._show_state(output.words)

    def _show_state(self, text: str) -> None:
        closed = f"{FollowerState.IDLE}: {self._gate.reason}"
        self._decisions.show_state(text if self._gate.is_open else closed)

    # Health

    def _publish_diagnostics(self) -> None:
        if not self._timers_in_use:
            return  # An executor driven by events calls once more for a timer that was due when it was destroyed.
        header = encode_header(self.get_clock().now().nanoseconds, "")
        if not self._active:
            self._diagnostics.publish(
                encode_diagnostics(DIAGNOSTIC_NAME, Level.OK, "inactive", {}, header, NAME)
            )
            return
        decisions, output = self._decisions, self._decisions.output
        level, message = follower_health(self._errors.current, self._gate, output, self._task)
        stale_s = (
            None if self._processed_ns is None else self.get_clock().now().nanoseconds - self._processed_ns
        )
        values = {
            **decision_values(output),
            "task": self._task,
            "enabled": self._enabled,
            "calibration": self._gate.reason,
            "limits": self._robot.limits.name,
            "rate_hz": decisions.rate.rate_hz(time.monotonic()),
            "trajectories": decisions.trajectories_sent,
            "trace_age_s": None if stale_s is None else seconds_from(stale_s),
            "decided_stamp_ns": self._processed_ns,
            "last_event": decisions.last_event,
            "gripper": self._gripper.result,
            **decisions.latency.percentiles_ms(),
        }
        self._diagnostics.publish(encode_diagnostics(DIAGNOSTIC_NAME, level, message, values, header, NAME))


def main() -> None:
    """Entry point of ``ros2 run ik_controller trace_follower_node``."""
    sys.exit(run_node(TraceFollowerNode))
