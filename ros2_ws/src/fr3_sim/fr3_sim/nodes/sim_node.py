"""``sim_node``: the simulated cell behind the topics, services and actions of a real one, on simulated time.

It publishes ``/clock``, so that every other node runs on its time. Outside lockstep it keeps pace with the wall clock
or falls behind it; in lockstep physics stands still after every image until the command computed from it has come, so
that a run is the same on any machine.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from fr3_sim.nodes.frame_publisher import FramePublisher
from fr3_sim.nodes.gripper_server import GripperServer
from fr3_sim.nodes.scene_report import describe_scene, describe_state, write_commands
from fr3_sim.nodes.sim_parameters import SimParameters, declare_scene_parameters, read_scene_parameters
from fr3_sim.scene import ARM_JOINTS
from fr3_sim.simulation import JOINT_NAMES, STEP_NS, RgbdFrame, Simulation
from ik_controller.nodes.trajectory_command import decode_trajectory_command
from ik_controller.trajectory_executor import CommandError
from tracegen_ros.messages import (
    MessageError,
    decode_stamp,
    encode_header,
    encode_joint_state,
    encode_stamp,
    seconds_from,
)
from tracegen_ros.parameters import ParameterError, declare_parameters
from tracegen_ros.spinning import run_node

NAME = "fr3_sim"
BASE_FRAME = "fr3_link0"

TRAJECTORY_TOPIC = "/joint_trajectory_controller/joint_trajectory"
GRIPPER_ACTION = "/fr3_gripper/gripper_action"

STATE_PERIOD_NS = 10_000_000
"""Simulated time between joint states, and between ticks of the clock [ns]: 100 Hz."""

LONGEST_DEBT_S = 0.1
"""What the simulator is behind its pace beyond this [s] is forgiven: it does not race to catch up."""

CATCH_UP = 1.25
"""A simulator that is behind runs at most this much faster than its pace: commands on their way must not come late."""

REMINDER_PERIOD_S = 1.0
"""In lockstep an image that waits for its command is published again this often [s of wall time]."""


class SimNode(Node):
    """Runs the simulation in ROS's own thread, which also owns the GL context: no locks, one order of events."""

    def __init__(self) -> None:
        super().__init__(NAME)
        self._settings = declare_parameters(self, SimParameters)
        if self._settings.lockstep and not self._settings.publish_camera:
            raise ParameterError("lockstep waits for the answer to an image: it needs publish_camera")
        declare_scene_parameters(self)
        self._scene_parameters = read_scene_parameters(self)
        self._simulation = Simulation(self._scene_parameters.options)
        self._clock_publisher = self.create_publisher(ClockMessage, "/clock", 10)
        self._joint_states = self.create_publisher(JointState, "/joint_states", 50)
        self._camera = FramePublisher(self)
        self._gripper = GripperServer(self, self._simulation, GRIPPER_ACTION)
        self.create_subscription(JointTrajectory, TRAJECTORY_TOPIC, self._on_trajectory, 10)
        self.create_service(Trigger, "~/reset", self._on_reset)
        self.create_service(Trigger, "~/report", self._on_report)
        self._steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._pace = self.create_timer(self._pace_period_s(), self._run, clock=self._steady_clock)
        if self._settings.lockstep:
            self.create_timer(REMINDER_PERIOD_S, self._remind, clock=self._steady_clock)
        self._due_s = time.monotonic()
        self._reset()

    # Time

    def _pace_period_s(self) -> float:
        factor = self._settings.real_time_factor
        if self._settings.lockstep or factor == 0.0:
            return 1e-4
        return STATE_PERIOD_NS * 1e-9 / factor / CATCH_UP

    def _run(self) -> None:
        """Go on for a while; called as often as the pace allows."""
        if self._settings.lockstep:
            # To the next image in one go: whatever arrives meanwhile takes effect there, not somewhere on the way.
            while not self._frozen:
                self._advance()
            self._pace.cancel()
            return
        factor = self._settings.real_time_factor
        now_s = time.monotonic()
        if factor > 0.0 and now_s < self._due_s:
            return
        before_ns = self._simulation.now_ns
        self._advance()
        if factor > 0.0:
            took_s = seconds_from(self._simulation.now_ns - before_ns) / factor
            self._due_s = max(self._due_s + took_s, now_s - LONGEST_DEBT_S)

    def _advance(self) -> None:
        """To the next moment at which something is published."""
        simulation = self._simulation
        goal_ns = min(self._next_state_ns, self._next_frame_ns)
        while simulation.now_ns < goal_ns:
            simulation.step()
        self._gripper.update()
        self._publish_state()
        if simulation.now_ns >= self._next_state_ns:
            self._next_state_ns += STATE_PERIOD_NS
        if simulation.now_ns >= self._next_frame_ns:
            self._take_frame()

    def _schedule_next_frame(self) -> None:
        """Frames are evenly spaced in simulated time, rounded up to whole physics steps."""
        self._frame_count += 1
        elapsed_ns = self._frame_count * 1e9 / self._settings.camera_rate_hz
        self._next_frame_ns = self._scene_start_ns + int(np.ceil(elapsed_ns / STEP_NS - 1e-6)) * STEP_NS

    # What is published

    def _publish_state(self) -> None:
        reading = self._simulation.joint_state()
        if not self._settings.lockstep:
            self._publish_clock()
        header = encode_header(reading.stamp_ns, BASE_FRAME)
        self._joint_states.publish(
            encode_joint_state(JOINT_NAMES, reading.positions, reading.velocities, header)
        )

    def _publish_clock(self) -> None:
        self._clock_publisher.publish(ClockMessage(clock=encode_stamp(self._simulation.now_ns)))

    def _take_frame(self) -> None:
        self._schedule_next_frame()
        if not self._settings.publish_camera:
            return
        self._frame = self._simulation.render()
        self._frozen = self._settings.lockstep
        self._publish_frame(self._frame)

    def _publish_frame(self, frame: RgbdFrame) -> None:
        if self._settings.lockstep:
            # Between two images nobody acts: the others' clocks go from image to image.
            self._publish_clock()
        self._camera.publish(frame)

    def _remind(self) -> None:
        """Images are best effort and nodes may come late: show again what is waited for."""
        if self._frozen and self._frame is not None:
            self._publish_state()
            self._publish_frame(self._frame)

    # What is commanded

    def _on_trajectory(self, message: JointTrajectory) -> None:
        stamp_ns = decode_stamp(message.header.stamp)
        late_ns = self._simulation.now_ns - stamp_ns if stamp_ns else 0
        if late_ns > 0:
            self._late += 1
            self._latest_ns = max(self._latest_ns, late_ns)
        try:
            self._simulation.command_trajectory(decode_trajectory_command(message, ARM_JOINTS))
            self._trajectories += 1
        except (CommandError, MessageError) as error:
            self._refused.append(str(error))
            self.get_logger().warning(f"trajectory refused: {error}")
        if self._frozen and self._frame is not None and stamp_ns >= self._frame.stamp_ns:
            self._frozen = False
            self._pace.reset()

    # For judges

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            self._scene_parameters = read_scene_parameters(self)
        except ParameterError as error:
            response.success, response.message = False, str(error)
            return response
        self._reset()
        simulation = self._simulation
        response.success = True
        response.message = json.dumps({"stamp_ns": simulation.now_ns, **describe_scene(simulation)})
        return response

    def _reset(self) -> None:
        scene = self._scene_parameters
        self._gripper.abort()
        self._simulation.reset(scene.seed, scene.task, scene.options)
        self._scene_start_ns = self._simulation.now_ns
        self._next_state_ns = self._scene_start_ns + STATE_PERIOD_NS
        self._frame_count = 0
        self._trajectories = 0
        self._refused: list[str] = []
        self._late, self._latest_ns = 0, 0
        self._frame: RgbdFrame | None = None
        self._frozen = False
        self._publish_state()
        self._take_frame()
        self._pace.reset()
        block, zone = self._simulation.task.colours(self._simulation.layout)
        self.get_logger().info(f"scene {scene.seed}: {block} block, {zone} zone")

    def _on_report(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        simulation = self._simulation
        report = {
            **describe_state(simulation),
            "stamp_ns": simulation.now_ns,
            "elapsed_s": seconds_from(simulation.now_ns - self._scene_start_ns),
            "frames": self._frame_count,
            "trajectories": self._trajectories,
            "refused": self._refused,
            "late": self._late,
            "latest_by_s": seconds_from(self._latest_ns),
        }
        try:
            report["commands_file"] = write_commands(simulation, self.get_parameter("report_folder").value)
        except OSError as error:
            response.success, response.message = False, f"cannot write the recorded commands: {error}"
            return response
        response.success, response.message = True, json.dumps(report)
        return response

    def destroy_node(self) -> None:
        """Release the camera, then the node."""
        self._simulation.close()
        super().destroy_node()


def main() -> None:
    """Entry point of ``ros2 run fr3_sim sim_node``."""
    sys.exit(run_node(SimNode))
