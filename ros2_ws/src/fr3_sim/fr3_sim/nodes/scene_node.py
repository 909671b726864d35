"""``scene_node``: the simulated table and camera around an emulated robot.

The arm is that of ``fr3_driver``'s ``fci_emulator``: whatever drives the emulator moves the arm of the scene, sample by
sample, and the scene's fingers carry out what the emulated hand was asked for. What fingers and arm meet is told to the
emulator. Physics go on in the robot's time; pictures are stamped with the wall's. Services are those of ``sim_node``;
``/joint_states``, trajectories and the gripper are the driver's.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from std_srvs.srv import Trigger

from fr3_sim.contact_torques import ContactTorques
from fr3_sim.emulated_robot import CONTROL_PORT, ArmSample, EmulatedRobot, EmulatedRobotError
from fr3_sim.nodes.frame_publisher import FramePublisher
from fr3_sim.nodes.scene_report import describe_scene, describe_state, write_commands
from fr3_sim.nodes.sim_parameters import declare_scene_parameters, read_scene_parameters
from fr3_sim.scene import PHYSICS_PERIOD
from fr3_sim.simulation import Simulation
from tracegen_ros.managed_node import ManagedNode
from tracegen_ros.parameters import ParameterError, declare_parameters, parameter
from tracegen_ros.spinning import run_node

NAME = "fr3_sim"
"""That of ``sim_node``: judges and parameter files find either."""

_MILLISECOND = 1e-3
_EXCHANGE_PERIOD_S = 0.01
_EXCHANGES_AT_ONCE = 10
_START_TIMEOUT_S = 30.0
"""How long configure waits for the emulator [s]."""

_REST_TIMEOUT_S = 5.0
"""How long a reset waits for the arm to come to rest [s]."""

_LONGEST_GAP_S = 0.1
"""More of the robot's time between two samples than this is not made up for [s]: the arm was put elsewhere."""


@dataclass(frozen=True)
class SceneNodeParameters:
    """Which robot the scene goes along with, and its camera."""

    emulator_ip: str = parameter("127.0.0.1", "Address of the emulated robot")
    control_port: int = parameter(
        CONTROL_PORT, "UDP port of the emulator's control", minimum=1, maximum=65535
    )
    camera_rate_hz: float = parameter(
        15.0, "Images per second of the robot's time at most [Hz]", minimum=0.1, maximum=100.0
    )


class SceneNode(ManagedNode):
    """Runs in ROS's own thread, which also owns the GL context."""

    def __init__(self) -> None:
        super().__init__(NAME)
        self._settings = declare_parameters(self, SceneNodeParameters)
        declare_scene_parameters(self)
        read_scene_parameters(self)
        self._steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._robot: EmulatedRobot | None = None
        self._simulation: Simulation | None = None
        self._problem = ""

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Find the emulator and make the scene around it, the arm at the scene's start."""
        self._robot = EmulatedRobot(self._settings.emulator_ip, self._settings.control_port)
        self._simulation = Simulation()
        self._felt = ContactTorques(self._simulation.scene)
        try:
            self._robot.wait_until_up(_START_TIMEOUT_S)
            self._make_scene()
        except (EmulatedRobotError, ParameterError) as error:
            self.get_logger().fatal(str(error))
            self._let_go()
            return TransitionCallbackReturn.FAILURE
        self._camera = FramePublisher(self)
        self._services_in_use = [
            self.create_service(Trigger, "~/reset", self._on_reset),
            self.create_service(Trigger, "~/report", self._on_report),
        ]
        # From here on, active or not: an emulated hand whose fingers nobody moves answers no request.
        self._timer = self.create_timer(_EXCHANGE_PERIOD_S, self._go_on, clock=self._steady_clock)
        self._active = False
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Publish pictures."""
        self._active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Publish none any more; the scene goes on."""
        self._active = False
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the emulator and the scene."""
        self.destroy_timer(self._timer)
        for service in self._services_in_use:
            self.destroy_service(service)
        self._camera.destroy()
        self._let_go()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Release the camera, then the node."""
        self._let_go()
        super().destroy_node()

    def _let_go(self) -> None:
        simulation, self._simulation = self._simulation, None
        if simulation is not None:
            simulation.close()
        robot, self._robot = self._robot, None
        if robot is not None:
            robot.close()

    # Time

    def _go_on(self) -> None:
        """Go where the emulated robot went since the last time, and take a picture if one is due there."""
        robot = self._robot
        assert robot is not None
        try:
            sample = self._exchange()
            # First to the present, but not without an end: services wait.
            for _ in range(_EXCHANGES_AT_ONCE):
                if robot.caught_up:
                    break
                sample = self._exchange()
        except EmulatedRobotError as error:
            if not self._problem:
                self.get_logger().error(f"the scene stands still: {error}")
            self._problem = str(error)
            return
        self._problem = ""
        # A picture of the past would be of no use.
        if sample is not None and robot.caught_up and sample.tick >= self._next_frame_tick:
            self._take_frame(sample)

    def _exchange(self) -> ArmSample | None:
        """Ask the emulated robot once and do what it did; returns the newest sample, None if there is no new one.

        Raises:
            EmulatedRobotError: No answer.
        """
        robot, simulation = self._robot, self._simulation
        assert robot is not None
        assert simulation is not None
        samples, goal = robot.exchange(simulation.gripper_state, self._felt.now())
        if goal is not None:
            simulation.command_gripper(goal)
        for sample in samples:
            self._follow(sample)
        return samples[-1] if samples else None

    def _follow(self, sample: ArmSample) -> None:
        simulation = self._simulation
        assert simulation is not None
        gap_s = (sample.tick - self._tick) * _MILLISECOND
        self._tick = sample.tick
        if gap_s > _LONGEST_GAP_S:
            self._missed_s += gap_s
            gap_s = PHYSICS_PERIOD
        simulation.follow(sample.setpoint)
        for _ in range(round(gap_s / PHYSICS_PERIOD)):
            simulation.step()
        lag = np.abs(simulation.scene.arm_joints - sample.setpoint.position).max()
        self._largest_lag_rad = max(self._largest_lag_rad, float(lag))

    def _take_frame(self, sample: ArmSample) -> None:
        """A picture of the present; those that the machine had no time for are left out."""
        simulation = self._simulation
        assert simulation is not None
        period_ticks = 1.0 / self._settings.camera_rate_hz / _MILLISECOND
        due = int((sample.tick - self._start_tick) // period_ticks) + 1
        self._next_frame_tick = self._start_tick + due * period_ticks
        if self._active:
            self._frames += 1
            self._camera.publish(replace(simulation.render(), stamp_ns=sample.stamp_ns))

    # For judges

    def _make_scene(self) -> None:
        """Make the scene that the parameters describe, the emulated arm at its start.

        Raises:
            ParameterError: The parameters describe none.
            EmulatedRobotError: The arm moves, or the emulator does not answer.
        """
        robot, simulation = self._robot, self._simulation
        assert robot is not None
        assert simulation is not None
        scene = read_scene_parameters(self)
        robot.wait_until_at_rest(_REST_TIMEOUT_S)
        simulation.reset(scene.seed, scene.task, scene.options)
        robot.place_arm(simulation.command_record().positions[0])
        status = robot.status()
        self._tick = self._start_tick = status["tick"]
        self._next_frame_tick = self._start_tick + 1.0 / self._settings.camera_rate_hz / _MILLISECOND
        self._frames = 0
        self._missed_s = self._largest_lag_rad = 0.0
        block, zone = simulation.task.colours(simulation.layout)
        self.get_logger().info(f"scene {scene.seed}: {block} block, {zone} zone")

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            self._make_scene()
        except (ParameterError, EmulatedRobotError) as error:
            response.success, response.message = False, str(error)
            return response
        assert self._simulation is not None
        now_ns = self.get_clock().now().nanoseconds
        response.success = True
        response.message = json.dumps({"stamp_ns": now_ns, **describe_scene(self._simulation)})
        return response

    def _on_report(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        assert self._simulation is not None
        assert self._robot is not None
        try:
            report = {
                **describe_state(self._simulation),
                "stamp_ns": self.get_clock().now().nanoseconds,
                "elapsed_s": (self._tick - self._start_tick) * _MILLISECOND,
                "frames": self._frames,
                "missed_s": self._missed_s,
                "largest_lag_rad": self._largest_lag_rad,
                "emulator": self._robot.status(),
                "commands_file": write_commands(self._simulation, self.get_parameter("report_folder").value),
            }
        except (OSError, EmulatedRobotError) as error:
            response.success, response.message = False, str(error)
            return response
        response.success, response.message = True, json.dumps(report)
        return response


def main() -> None:
    """Entry point of ``ros2 run fr3_sim scene_node``."""
    sys.exit(run_node(SceneNode))
