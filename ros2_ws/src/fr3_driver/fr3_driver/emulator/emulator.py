"""The emulator as a whole: robot, hand, clock and control port around one loop."""

from __future__ import annotations

import logging
import selectors
from dataclasses import dataclass

from fr3_driver.emulator.clock import ClockMode, TickClock
from fr3_driver.emulator.control_port import DEFAULT_PORT, ControlPort
from fr3_driver.emulator.faults import Faults
from fr3_driver.emulator.gripper_server import GripperServer
from fr3_driver.emulator.robot_server import RobotServer
from fr3_driver.emulator.scene_link import SceneLink
from ik_controller.joint_limits import JointLimits

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class EmulatorConfig:
    """How an emulator runs.

    Attributes:
        host: Address to listen on; robots on one machine take 127.0.0.1, 127.0.0.2 and so on.
        clock: How its time follows the wall's.
        strict: Commands outside the limits end the motion.
        limits: The limits: a shipped set, or a file; it needs position-dependent velocities.
        control_port: UDP port for faults and figures.
    """

    host: str = "127.0.0.1"
    clock: ClockMode = ClockMode.SOFT
    strict: bool = True
    limits: str = "fr3_full"
    control_port: int = DEFAULT_PORT


class Emulator:
    """Listens from its making on; ``run`` answers.

    Raises:
        OSError: A port is taken, or the address is not this machine's.
    """

    def __init__(self, config: EmulatorConfig) -> None:
        # epoll, the default, counts timeouts in whole milliseconds; this one in microseconds.
        self._selector = selectors.SelectSelector()
        self._robot = RobotServer(self._selector, config.host, JointLimits.load(config.limits), config.strict)
        self._gripper = GripperServer(self._selector, config.host)
        self._clock = TickClock(config.clock, self._pump)
        self._scene = SceneLink(self._robot.state, self._gripper.hand)
        self._faults = Faults(self._robot, self._gripper, self._clock, self._scene, self.leave)
        self._control = ControlPort(
            self._selector, (config.host, config.control_port), self._faults.carry_out
        )
        self._running = True

    def run(self) -> None:
        """Tick until ``leave`` is called."""
        while self._running:
            self._robot.send_state()
            self._gripper.step()
            self._clock.wait(self._robot.command_due)
            self._robot.step()
            self._scene.record(self._robot.tick)

    def leave(self) -> None:
        """Let ``run`` return."""
        self._running = False

    def close(self) -> None:
        """Hang up."""
        self._robot.close()
        self._gripper.close()
        self._control.close()
        self._selector.close()

    def _pump(self, timeout_s: float) -> None:
        for key, _events in self._selector.select(timeout_s):
            key.data()
