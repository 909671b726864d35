"""``fr3_driver_node``: a Franka Research 3 and its hand behind the topics, services and actions of the project.

Configure connects and publishes states; activate lets trajectories through. Whatever goes wrong with the robot becomes
a named state on ``~/state`` and in ``/diagnostics``, and stays until ``~/recover`` is called: nothing here resumes a
motion by itself.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from dataclasses import replace

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, WrenchStamped
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.executors import Executor, MultiThreadedExecutor
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from fr3_driver.arm_driver import ArmDriver, ArmDriverError, ArmListener
from fr3_driver.arm_reading import ArmReading
from fr3_driver.arm_settings import ARM_JOINTS, SettingsError
from fr3_driver.driver_state import DriverState, DriverStatus
from fr3_driver.gripper_driver import GripperDriver, GripperDriverError, GripperOutcome
from fr3_driver.nodes.fr3_driver_parameters import DriverParameters
from fr3_driver.nodes.gripper_server import GripperServer
from fr3_driver.real_time import RealTimeError, RealTimePolicy, enforces_real_time
from ik_controller.joint_limits import JointLimits, LimitsError
from ik_controller.nodes.trajectory_command import decode_trajectory_command
from ik_controller.resources import ResourceError
from tracegen_ros.latency import RateWindow
from tracegen_ros.managed_node import ManagedNode
from tracegen_ros.messages import (
    Level,
    MessageError,
    encode_diagnostics,
    encode_header,
    encode_joint_state,
    encode_pose,
    encode_wrench,
    nanoseconds_from,
    seconds_from,
)
from tracegen_ros.parameters import declare_parameters
from tracegen_ros.qos import LATCHED, LATEST
from tracegen_ros.spinning import run_node

NAME = "fr3_driver"
DIAGNOSTIC_NAME = "fr3_driver: arm"
FINGER_JOINTS = ("fr3_finger_joint1", "fr3_finger_joint2")

_ALIVE_PERIOD_S = 0.1
_EXECUTOR_THREADS = 3
"""One for messages, one for services that wait for the robot, one for signs of life."""

_CALM = frozenset(
    {DriverState.DISCONNECTED, DriverState.CONNECTING, DriverState.STOPPING, DriverState.NOT_READY}
)
"""States that are neither well nor an error."""


class Fr3DriverNode(ManagedNode):
    """Drives the robot while it is active, and publishes its state from configure on."""

    def __init__(self) -> None:
        super().__init__(NAME)
        self._settings = declare_parameters(self, DriverParameters)
        self._steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._arm: ArmDriver | None = None
        self._gripper: GripperDriver | None = None
        self._gripper_server: GripperServer | None = None
        self._active = False

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Connect to arm and hand, and publish their state; nothing moves yet."""
        parameters = self._settings
        try:
            enforce = enforces_real_time(RealTimePolicy(parameters.realtime), parameters.fci_ip)
            settings = parameters.arm_settings(enforce)
            limits = JointLimits.load(settings.limits)
        except (RealTimeError, SettingsError, LimitsError, ResourceError) as error:
            self.get_logger().fatal(str(error))
            return TransitionCallbackReturn.FAILURE
        self._real_time = enforce
        if not enforce:
            self.get_logger().warning(
                "the library does not insist on a real-time kernel: fine with an emulator, a risk of stops with a robot"
            )
        self.get_logger().info(f"joint limits in force: {limits.name}, tracking: {settings.tracking}")
        self._reading: ArmReading | None = None
        self._reading_lock = threading.Lock()
        self._state_rate = RateWindow()
        self._worst_error_rad = 0.0
        self._trajectories = self._refused = 0
        self._last_refusal = ""
        self._joint_states = self.create_publisher(JointState, "/joint_states", 50)
        self._hand_poses = self.create_publisher(PoseStamped, "~/hand_pose", LATEST)
        self._wrenches = self.create_publisher(WrenchStamped, "~/external_wrench", LATEST)
        self._external_torques = self.create_publisher(JointState, "~/external_torques", LATEST)
        self._states = self.create_publisher(String, "~/state", LATCHED)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._outcomes: queue.SimpleQueue[tuple[int, GripperOutcome]] = queue.SimpleQueue()
        self._arm = ArmDriver(settings, ArmListener(self._on_reading, self._on_status, self._on_refused))
        try:
            self._arm.connect()
            if parameters.gripper:
                self._connect_gripper()
        except (ArmDriverError, GripperDriverError) as error:
            self.get_logger().fatal(str(error))
            self._take_down()
            return TransitionCallbackReturn.FAILURE
        waiting = MutuallyExclusiveCallbackGroup()
        self._services_in_use = [
            self.create_service(Trigger, "~/recover", self._on_recover, callback_group=waiting),
            self.create_service(Trigger, "~/stop", self._on_stop),
            self.create_service(Trigger, "~/home_gripper", self._on_home_gripper),
        ]
        alive = MutuallyExclusiveCallbackGroup()
        self._timers_in_use = [
            self.create_timer(_ALIVE_PERIOD_S, self._keep_alive, clock=self._steady_clock),
            self.create_timer(
                1.0 / parameters.diagnostics_rate_hz,
                self._publish_diagnostics,
                clock=self._steady_clock,
                callback_group=alive,
            ),
        ]
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let trajectories through."""
        self._subscription = self.create_subscription(
            JointTrajectory, self._settings.trajectory_topic, self._on_trajectory, LATEST
        )
        self._active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Bring the arm to rest and let nothing through any more."""
        self._active = False
        self.destroy_subscription(self._subscription)
        if self._arm is not None:
            self._arm.stop("deactivated")
        if self._gripper is not None:
            self._gripper.stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Disconnect and let go of everything that configure made."""
        for timer in self._timers_in_use:
            self.destroy_timer(timer)
        for service in self._services_in_use:
            self.destroy_service(service)
        self._take_down()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Bring the arm to rest and disconnect."""
        self._disconnect()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Bring the arm to rest, disconnect, and leave the graph."""
        self._disconnect()
        super().destroy_node()

    def _take_down(self) -> None:
        self._disconnect()
        if self._gripper_server is not None:
            self._gripper_server.destroy()
            self._gripper_server = None
        for publisher in (
            self._joint_states,
            self._hand_poses,
            self._wrenches,
            self._external_torques,
            self._states,
            self._diagnostics,
        ):
            self.destroy_publisher(publisher)

    def _disconnect(self) -> None:
        arm, self._arm = self._arm, None
        if arm is not None:
            arm.disconnect()
        gripper, self._gripper = self._gripper, None
        if gripper is not None:
            gripper.disconnect()

    def _connect_gripper(self) -> None:
        parameters = self._settings
        self._gripper = GripperDriver(
            parameters.fci_ip,
            parameters.gripper_speed,
            lambda number, outcome: self._outcomes.put((number, outcome)),
            self._on_gripper_lost,
        )
        self._gripper.connect()
        self._gripper_server = GripperServer(self, self._gripper, parameters.gripper_action, self._outcomes)

    # What is asked for

    def _on_trajectory(self, message: JointTrajectory) -> None:
        if not self._active or self._arm is None:
            return
        try:
            command = decode_trajectory_command(message, ARM_JOINTS)
            if command.start_s > 0.0:
                # The worker lives on the monotonic clock; a start stays where it is however the ROS clock is set later.
                ahead_s = command.start_s - seconds_from(self.get_clock().now().nanoseconds)
                command = replace(command, start_s=max(time.monotonic() + ahead_s, np.finfo(float).tiny))
            self._arm.execute(command)
        except (MessageError, ArmDriverError) as error:
            self._on_refused(str(error))
            return
        self._trajectories += 1

    def _on_recover(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        arm, gripper = self._arm, self._gripper
        if arm is None:
            response.success, response.message = False, "not configured"
            return response
        try:
            if arm.status.state.needs_recovery:
                arm.recover()
            if gripper is not None and gripper.problem:
                gripper.connect()
        except (ArmDriverError, GripperDriverError) as error:
            response.success, response.message = False, str(error)
            self.get_logger().error(f"recovery failed: {error}")
            return response
        response.success, response.message = True, str(arm.status)
        self.get_logger().info(f"recovered: {arm.status}")
        return response

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._arm is not None:
            self._arm.stop("stop service")
        response.success, response.message = True, "the arm comes to rest; a new trajectory moves it again"
        return response

    def _on_home_gripper(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            if self._gripper is None:
                raise GripperDriverError("the parameter gripper is false")
            self._gripper.home()
        except GripperDriverError as error:
            response.success, response.message = False, str(error)
            return response
        response.success, response.message = True, "the fingers look for their greatest opening"
        return response

    # What the drivers say, in threads of theirs

    def _on_reading(self, reading: ArmReading) -> None:
        if not self.context.ok():
            return  # The process is ending; nobody hears it any more.
        with self._reading_lock:
            self._reading = reading
            self._state_rate.tick(time.monotonic())
            if reading.tracking_error_rad is not None:
                self._worst_error_rad = max(self._worst_error_rad, reading.tracking_error_rad)
        age_ns = nanoseconds_from(time.monotonic() - reading.taken_s)
        header = encode_header(self.get_clock().now().nanoseconds - age_ns, self._settings.base_frame)
        fingers = None if self._gripper is None else self._gripper.reading
        names, positions, velocities, efforts = (
            list(ARM_JOINTS),
            reading.positions.tolist(),
            reading.velocities.tolist(),
            reading.efforts.tolist(),
        )
        if fingers is not None:
            names += FINGER_JOINTS
            positions += [fingers.width / 2] * 2
            velocities += [0.0] * 2
            efforts += [0.0] * 2
        self._joint_states.publish(encode_joint_state(names, positions, velocities, header, efforts))
        self._hand_poses.publish(encode_pose(reading.hand_in_base, header))
        self._wrenches.publish(encode_wrench(reading.wrench_in_base, header))
        self._external_torques.publish(
            encode_joint_state(ARM_JOINTS, (), (), header, reading.external_torques)
        )

    def _on_status(self, status: DriverStatus) -> None:
        if not self.context.ok():
            return
        self._states.publish(String(data=str(status)))
        advice = f"; {status.state.advice}" if status.state.advice else ""
        if status.state.well or status.state in _CALM:
            self.get_logger().info(f"{status}{advice}")
        else:
            self.get_logger().error(f"{status}{advice}")

    def _on_refused(self, reason: str) -> None:
        self._refused += 1
        if reason != self._last_refusal:
            self.get_logger().warning(f"trajectory refused: {reason}")
        self._last_refusal = reason

    def _on_gripper_lost(self, reason: str) -> None:
        if not self.context.ok():
            return
        self.get_logger().error(f"the gripper is gone: {reason}; call ~/recover")
        if self._gripper_server is not None:
            self._gripper_server.fail_all(reason)

    # Now and then

    def _keep_alive(self) -> None:
        if self._arm is not None:
            self._arm.keep_alive()

    def _publish_diagnostics(self) -> None:
        arm, gripper = self._arm, self._gripper
        if arm is None:
            return
        with self._reading_lock:
            reading, worst_rad = self._reading, self._worst_error_rad
            self._worst_error_rad = 0.0
            rate_hz = self._state_rate.rate_hz(time.monotonic())
        status = arm.status
        problem = "" if gripper is None else gripper.problem
        if problem or not (status.state.well or status.state in _CALM):
            level = Level.ERROR
        else:
            level = Level.OK if status.state.well and not status.reason else Level.WARN
        texts = [str(status), status.state.advice, f"no gripper: {problem}" if problem else ""]
        values = {
            "state": status.state,
            "active": self._active,
            "limits": self._settings.limits,
            "tracking": self._settings.tracking,
            "real-time kernel enforced": self._real_time,
            "robot mode": None if reading is None else reading.mode,
            "robot errors": None if reading is None else ", ".join(reading.errors) or "none",
            "command success rate": None if reading is None else reading.success_rate,
            "worst tracking error [rad]": worst_rad,
            "state rate [Hz]": rate_hz,
            "trajectories accepted": self._trajectories,
            "trajectories refused": self._refused,
            "last refusal": self._last_refusal or None,
        }
        header = encode_header(self.get_clock().now().nanoseconds, "")
        message = "; ".join(text for text in texts if text)
        self._diagnostics.publish(
            encode_diagnostics(DIAGNOSTIC_NAME, level, message, values, header, self._settings.fci_ip)
        )


def _make_executor() -> Executor:
    return MultiThreadedExecutor(num_threads=_EXECUTOR_THREADS)


def main() -> None:
    """Entry point of ``ros2 run fr3_driver fr3_driver_node``."""
    sys.exit(run_node(Fr3DriverNode, make_executor=_make_executor))


if __name__ == "__main__":
    main()
