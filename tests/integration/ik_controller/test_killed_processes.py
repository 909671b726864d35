"""Whatever dies while the arm moves, the arm comes to a smooth rest.

Five processes; what the arm was told is judged from the simulator's own record of its commands.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from tests.motion_layer.command_checker import PERIOD_S, Bounds, Breach, judge

from ik_controller.resources import resource_path
from ik_controller.robot_model import RobotModel
from tracegen_ros.messages import decode_diagnostics, decode_joint_state
from tracegen_ros.qos import LATCHED

HERE = Path(__file__).parent
TRACE_NODE = HERE.parent / "tracegen_ros" / "straight_trace_node.py"
HEALTH = "trace_follower: motion"
SPEED = 0.03
"""Of the hand [m/s]: slow enough that it stays in view while something dies."""
MOVES = 0.005
"""A joint this fast moves [rad/s]."""
PATIENCE_S = 240.0
"""A starved machine gets so long for what takes a few seconds on an idle one [s]."""
LIMIT_S = 900
"""For one test, which waits several times [s]."""
SIMULATED_PERIOD_S = 0.002
"""Time between two commands of the simulator [s]."""
SILENCE_S = 3.0
"""A camera or fingers are silent after this [s of simulated time]: more than a starved machine keeps them back."""
STANDS = 1e-3
"""An arm whose joints are all slower than this stands [rad/s]."""


class RunningCell:
    """Simulator, camera, TF publisher, trace node and follower, each a process that can be killed and started again."""

    def __init__(self, tester, processes, folder: Path) -> None:
        self._tester = tester
        self._processes = processes
        self._running: dict[str, subprocess.Popen] = {}
        self._robot = RobotModel.fr3()
        simulated = ("--ros-args", "-p", "use_sim_time:=true")
        calibration = str(resource_path("calibration/sim_camera.yaml"))
        self._start: dict[str, Callable[[], subprocess.Popen]] = {
            "simulator": lambda: processes.python(
                "tests.integration.ik_controller.simulator_behind_relay",
                *("--ros-args", "-p", f"report_folder:={folder}", "-p", "camera_rate_hz:=10.0"),
            ),
            "camera": lambda: processes.python("tests.integration.ik_controller.camera_relay", *simulated),
            "TF publisher": lambda: processes.node(
                "tracegen_ros.nodes.camera_pose_node", use_sim_time=True, calibration=calibration
            ),
            "trace node": lambda: processes.python(TRACE_NODE, *simulated),
            "follower": lambda: processes.node(
                "ik_controller.nodes.trace_follower_node",
                use_sim_time=True,
                enabled=True,
                speed=SPEED,
                diagnostics_rate_hz=20.0,
                camera_timeout_s=SILENCE_S,
                finger_timeout_s=SILENCE_S,
            ),
        }
        for name in self._start:
            self.start(name)
        tester.activate("trace_node", "trace_follower")
        self.instruction = tester.publisher(String, "/task_instruction", LATCHED)
        self._states = tester.hear(JointState, "/joint_states", 50)
        self._health = tester.hear(DiagnosticArray, "/diagnostics", 10)

    def start(self, name: str) -> None:
        self._running[name] = self._start[name]()

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        self._running[name].send_signal(how)
        self._running[name].wait()

    @property
    def fastest(self) -> float:
        """Speed of the fastest joint in the newest state [rad/s]."""
        joints = decode_joint_state(self._states[-1], self._robot.joint_names)
        del self._states[:-1]
        return float(np.abs(joints.velocities).max())

    def gate_is(self, gate: str) -> bool:
        """The follower's newest diagnostic names ``gate``; empty = none."""
        statuses = [decode_diagnostics(array, HEALTH) for array in self._health]
        known = [status[2] for status in statuses if status is not None]
        return bool(known) and known[-1].get("gate") == gate and known[-1].get("state") != ""

    def wait_until_it_moves(self) -> None:
        """Go on, towards the side that is farther away."""
        self._tester.wait(lambda: self._states, "joint states")
        joints = decode_joint_state(self._states[-1], self._robot.joint_names).positions
        to_the_left = self._robot.tcp_in_base(joints)[1, 3] > 0.0
        self.instruction.publish(String(data="go left" if to_the_left else "go right"))
        self._tester.wait(lambda: bool(self._states) and self.fastest > MOVES, "the arm to move", PATIENCE_S)

    def wait_for_rest(self) -> None:
        self._tester.wait(
            lambda: bool(self._states) and self.fastest < STANDS, "the arm to stand", PATIENCE_S
        )

    def kill_while_it_moves(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """End the process ``name``; what the arm did just before is looked at afterwards."""
        self.wait_until_it_moves()
        self.kill(name, how)
        self._states.clear()
        self._tester.wait(lambda: self._states, "a joint state after the end")
        assert self.fastest > MOVES, f"the arm had come to rest before the {name} ended"

    def wait_for_gate(self, gate: str) -> None:
        self._health.clear()
        self._tester.wait(lambda: self.gate_is(gate), f"the gate {gate or 'none'}", PATIENCE_S)

    def breaches(self) -> list[Breach]:
        """What the arm was told that breaks a limit, from the beginning on; told by the simulator itself."""
        answer = self._tester.call(Trigger, "/fr3_sim/report", Trigger.Request())
        stream = np.load(json.loads(answer.message)["commands_file"])
        np.testing.assert_allclose(np.diff(stream["times_s"]), SIMULATED_PERIOD_S, atol=1e-9)
        return judge(stream["positions"], simulated_bounds()).breaches


def simulated_bounds() -> Bounds:
    """The limits as ``judge`` sees them, who takes each of the simulator's commands for one a millisecond."""
    bounds = Bounds.read(resource_path("limits/fr3_rectangular.yaml"))
    longer = SIMULATED_PERIOD_S / PERIOD_S
    assert bounds.offset is None, (
        "bounds on velocity that depend on the position would have to be scaled, too"
    )
    return replace(
        bounds,
        fastest=longer * bounds.fastest,
        acceleration=longer**2 * bounds.acceleration,
        jerk=longer**3 * bounds.jerk,
    )


@pytest.fixture(scope="module")
def cell(tester, processes, tmp_path_factory) -> RunningCell:
    return RunningCell(tester, processes, tmp_path_factory.mktemp("commands"))


@pytest.mark.timeout(LIMIT_S)
@pytest.mark.parametrize(
    ("victim", "how", "gate", "lifecycle"),
    [
        ("trace node", signal.SIGKILL, "traces-stale", ("trace_node",)),
        ("camera", signal.SIGKILL, "camera-silent", ()),
        # The graph forgets a node that was killed only after its lease of 20 s; one that ends is seen to go at once.
        ("TF publisher", signal.SIGTERM, "camera-pose-missing", ()),
    ],
)
def test_a_process_that_dies_ends_in_a_smooth_hold_and_one_that_is_back_lets_the_arm_go_on(
    cell: RunningCell, tester, victim: str, how: signal.Signals, gate: str, lifecycle: tuple[str, ...]
) -> None:
    cell.kill_while_it_moves(victim, how)
    cell.wait_for_gate(gate)
    cell.wait_for_rest()
    assert cell.breaches() == []
    cell.start(victim)
    if lifecycle:
        tester.activate(*lifecycle)
    cell.wait_for_gate("")


@pytest.mark.timeout(LIMIT_S)
def test_a_follower_that_dies_leaves_an_arm_that_comes_to_rest(cell: RunningCell) -> None:
    cell.kill_while_it_moves("follower")
    cell.wait_for_rest()
    assert cell.breaches() == []
