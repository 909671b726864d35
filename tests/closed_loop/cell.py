"""The running cell as its judge sees it: makes scenes, says what to do, listens, and asks how it went."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, PointCloud2
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger
from tests.introduction import Introduction
from trajectory_msgs.msg import JointTrajectory

from tracegen_ros.messages import decode_diagnostics, decode_stamp, seconds_from
from tracegen_ros.qos import LATCHED, LATEST, SENSOR

ScalarParameter = bool | int | float | str

SIMULATOR = "/fr3_sim"
ROBOT_NODES = ("/trace_node", "/trace_follower")
"""The lifecycle nodes that do the work."""

EMULATED_ROBOT_NODES = (SIMULATOR, "/fr3_driver", *ROBOT_NODES)
"""The same where the arm is an emulated one behind its driver."""

DRIVER_DIAGNOSTICS = "fr3_driver: arm"
DIAGNOSTICS = {"trace_node": "trace_node: inference", "trace_follower": "trace_follower: motion"}
"""What the nodes call their own health, by node."""

DRIVER_WELL = ("READY", "MOVING", "STOPPING")
"""States of the driver that need no recovery."""

FOLLOWER_STATE_TOPIC = "/trace_follower/state"
START_TIMEOUT_S = 180.0
CALL_TIMEOUT_S = 60.0
QUIET_S = 0.4
"""What was under way when the instruction was taken back has arrived after this [s]."""


class CellError(RuntimeError):
    """A part of the cell does not answer."""


@dataclass
class Observations:
    """What was seen and heard since the last instruction.

    Attributes:
        latencies_s: Wall time from an image's arrival here to its traces' [s].
        trajectories: How many commands were sent.
        states: (simulated time [s], "STATE: reason") of the follower.
        trace_times_s: Wall time of each trace [s].
    """

    latencies_s: list[float] = field(default_factory=list)
    trajectories: int = 0
    states: list[tuple[float, str]] = field(default_factory=list)
    trace_times_s: list[float] = field(default_factory=list)

    @property
    def trace_rate(self) -> float:
        """Traces per second of wall time."""
        if len(self.trace_times_s) < 2:
            return 0.0
        return (len(self.trace_times_s) - 1) / (self.trace_times_s[-1] - self.trace_times_s[0])

    def latency_percentile(self, percent: float) -> float:
        """Percentile of the latency [s], NaN without traces."""
        return float(np.percentile(self.latencies_s, percent)) if self.latencies_s else float("nan")


class Cell:
    """Talks to a running stack; everything happens inside ``spin_until`` and the calls that wait.

    Args:
        check_alive: Called while waiting; raises when the stack is gone.
        emulated: The arm is an emulated robot behind its driver, on the wall's clock.
        inactive: Nodes that are configured and no more.
    """

    def __init__(
        self, check_alive: Callable[[], None], *, emulated: bool = False, inactive: Collection[str] = ()
    ) -> None:
        self._check_alive = check_alive
        self.emulated = emulated
        nodes = EMULATED_ROBOT_NODES if emulated else ROBOT_NODES
        self._nodes = [name for name in nodes if name not in inactive]
        self.node = Node("closed_loop_judge")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self.observations = Observations()
        self._clock_s = 0.0
        self.follower_state = ""
        self.driver_state = ""
        self.driver_refusals = 0
        """Trajectories that the driver has refused since its start, as it last told."""
        self._driver_reports = 0
        self.timings_ms: dict[str, float] = {}
        """The nodes' own timings as they last told them: ``node.stage_p50_ms`` and the like [ms]."""
        self._image_arrivals: dict[int, float] = {}
        self._instruction = self.node.create_publisher(String, "/task_instruction", LATCHED)
        self._set_parameters = self.node.create_client(SetParameters, f"{SIMULATOR}/set_parameters")
        self._reset = self.node.create_client(Trigger, f"{SIMULATOR}/reset")
        self._report = self.node.create_client(Trigger, f"{SIMULATOR}/report")
        self._enable = self.node.create_client(SetBool, "/trace_follower/enable")
        self._node_states = [self.node.create_client(GetState, f"{name}/get_state") for name in self._nodes]
        self._recover = self.node.create_client(Trigger, "/trace_follower/recover")
        self._recover_driver = self.node.create_client(Trigger, "/fr3_driver/recover")
        # After all other clients: who answers this knows them.
        self._introductions = [Introduction(self.node, name) for name in sorted({SIMULATOR, *self._nodes})]
        self.node.create_subscription(Clock, "/clock", self._on_clock, SENSOR)
        self.node.create_subscription(String, FOLLOWER_STATE_TOPIC, self._on_state, LATCHED)
        self.node.create_subscription(String, "/fr3_driver/state", self._on_driver_state, LATCHED)
        self.node.create_subscription(CameraInfo, "/camera/camera/color/camera_info", self._on_image, SENSOR)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 20)
        self.node.create_subscription(PointCloud2, "/tracegen/traces", self._on_traces, LATEST)
        self.node.create_subscription(
            JointTrajectory, "/joint_trajectory_controller/joint_trajectory", self._on_trajectory, LATEST
        )

    def close(self) -> None:
        """Leave."""
        self._executor.shutdown()
        self.node.destroy_node()

    @property
    def simulated_s(self) -> float:
        """The cell's time [s]: simulated, or the wall's where the robot is emulated."""
        return time.time() if self.emulated else self._clock_s

    def wait_until_ready(self) -> None:
        """Wait until every part that an episode needs is there."""
        own = (self._set_parameters, self._reset, self._report)
        services = (*own, self._enable, self._recover, *self._node_states)

        def ready() -> bool:
            return all(service.service_is_ready() for service in services) and bool(self.follower_state)

        if not self.spin_until(ready, START_TIMEOUT_S):
            silent = [service.srv_name for service in services if not service.service_is_ready()]
            silent += [] if self.follower_state else [FOLLOWER_STATE_TOPIC]
            raise CellError(f"after {START_TIMEOUT_S:.0f} s there is still no {', '.join(silent)}")
        # Each is asked again until it answers.
        if not self.spin_until(lambda: all(one.is_done() for one in self._introductions), START_TIMEOUT_S):
            raise CellError(f"{SIMULATOR} or one of {', '.join(self._nodes)} answers no question")
        if not self.spin_until(self._nodes_are_active, START_TIMEOUT_S):
            raise CellError(f"after {START_TIMEOUT_S:.0f} s {' or '.join(self._nodes)} is still not active")

    def make_scene(self, parameters: Mapping[str, ScalarParameter]) -> dict[str, Any]:
        """Take back the instruction, reset the simulator with ``parameters``; returns what the scene holds.

        A follower that has stopped itself is enabled again; one with a fault is recovered, and so is a robot.
        """
        self.instruct("")
        self.spin_until(lambda: False, QUIET_S)
        if self.follower_state.startswith("STOP"):
            self._call(self._enable, SetBool.Request(data=True))
        if self.follower_state.startswith("FAULT"):
            self._call(self._recover, Trigger.Request())
        # Traces that were under way have come by now; this drops them. Who has answered twice has heard it.
        self.instruct("")
        for _ in range(2):
            if not self._nodes_are_active():
                raise CellError(f"{' or '.join(self._nodes)} is not active any more")
        if self.driver_state and not self.driver_state.startswith(DRIVER_WELL):
            self._call(self._recover_driver, Trigger.Request())
        request = SetParameters.Request(parameters=[_message(*item) for item in parameters.items()])
        results = self._call(self._set_parameters, request).results
        refused = [result.reason for result in results if not result.successful]
        if refused:
            raise CellError(f"the simulator refused parameters: {'; '.join(refused)}")
        return self._json_of(self._reset)

    def instruct(self, text: str) -> None:
        """Publish an instruction and start observing anew."""
        self.observations = Observations()
        self._instruction.publish(String(data=text))

    def wait_for_driver(self) -> None:
        """Wait until the driver has told its figures anew."""
        told = self._driver_reports
        if self.emulated and not self.spin_until(lambda: self._driver_reports > told, CALL_TIMEOUT_S):
            raise CellError(f"{DRIVER_DIAGNOSTICS} has not been heard of for {CALL_TIMEOUT_S:.0f} s")

    def report(self) -> dict[str, Any]:
        """The simulator's report."""
        return self._json_of(self._report)

    def spin_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Handle messages until ``condition`` holds; False when ``timeout_s`` [s of wall time] were not enough."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            self._check_alive()
            self._executor.spin_once(timeout_sec=0.05)
        return True

    def _nodes_are_active(self) -> bool:
        states = [self._call(client, GetState.Request()).current_state.id for client in self._node_states]
        return all(state == State.PRIMARY_STATE_ACTIVE for state in states)

    def _json_of(self, service: Any) -> dict[str, Any]:
        response = self._call(service, Trigger.Request())
        if not response.success:
            raise CellError(f"{service.srv_name}: {response.message}")
        return dict(json.loads(response.message))

    def _call(self, client: Any, request: Any) -> Any:
        future: Future = client.call_async(request)
        if not self.spin_until(future.done, CALL_TIMEOUT_S):
            raise CellError(f"{client.srv_name} did not answer within {CALL_TIMEOUT_S:.0f} s")
        return future.result()

    def _on_clock(self, message: Clock) -> None:
        self._clock_s = seconds_from(decode_stamp(message.clock))

    def _on_state(self, message: String) -> None:
        self.follower_state = message.data
        self.observations.states.append((self.simulated_s, message.data))

    def _on_driver_state(self, message: String) -> None:
        self.driver_state = message.data

    def _on_image(self, message: CameraInfo) -> None:
        # Lockstep shows a waiting image again and again: its first arrival counts.
        self._image_arrivals.setdefault(decode_stamp(message.header.stamp), time.monotonic())

    def _on_traces(self, message: PointCloud2) -> None:
        now_s = time.monotonic()
        stamp_ns = decode_stamp(message.header.stamp)
        if stamp_ns in self._image_arrivals:
            self.observations.latencies_s.append(now_s - self._image_arrivals[stamp_ns])
        self._image_arrivals = {stamp: at for stamp, at in self._image_arrivals.items() if stamp > stamp_ns}
        self.observations.trace_times_s.append(now_s)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for node, name in DIAGNOSTICS.items():
            status = decode_diagnostics(message, name)
            if status is not None:
                timings = {key: value for key, value in status[2].items() if key.endswith("_ms")}
                self.timings_ms |= {f"{node}.{key}": float(value) for key, value in timings.items()}

        driver = decode_diagnostics(message, DRIVER_DIAGNOSTICS)
        if driver is not None:
            self.driver_refusals = int(driver[2]["trajectories refused"])
            self._driver_reports += 1

    def _on_trajectory(self, message: JointTrajectory) -> None:
        self.observations.trajectories += 1


def _message(name: str, value: ScalarParameter) -> Parameter:
    if isinstance(value, bool):
        return Parameter(name=name, value=ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=value))
    if isinstance(value, int):
        return Parameter(
            name=name, value=ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=value)
        )
    if isinstance(value, float):
        return Parameter(
            name=name, value=ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
        )
    return Parameter(name=name, value=ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value))


class RosSession:
    """``rclpy`` for the length of a ``with`` block."""

    def __enter__(self) -> RosSession:
        rclpy.init()
        return self

    def __exit__(self, *_: object) -> None:
        rclpy.try_shutdown()
