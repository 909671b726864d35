"""What can be done to an emulated robot from outside: faults, pushes, objects, and questions about it.

Each is one JSON object with a field ``do``, its name, beside its own fields; the names are those of the methods below,
and ``scene``: ``SceneLink.exchange``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fr3_driver.emulator.clock import ClockMode, TickClock
from fr3_driver.emulator.codes import RobotError
from fr3_driver.emulator.gripper_server import GripperServer
from fr3_driver.emulator.hand import MAX_WIDTH
from fr3_driver.emulator.layouts import JOINTS
from fr3_driver.emulator.robot_server import RobotServer
from fr3_driver.emulator.scene_link import SceneLink


class FaultError(ValueError):
    """A request that is not one of those below."""


class Faults:
    """Acts on a running emulator.

    Args:
        robot: The arm.
        gripper: The hand.
        clock: What paces both.
        scene: The scene that goes along.
        leave: Ends the emulator.
    """

    def __init__(
        self,
        robot: RobotServer,
        gripper: GripperServer,
        clock: TickClock,
        scene: SceneLink,
        leave: Callable[[], None],
    ) -> None:
        self._robot = robot
        self._gripper = gripper
        self._clock = clock
        self._scene = scene
        self._leave = leave
        self._requests: dict[str, Callable[..., dict[str, Any] | None]] = {
            "reflex": self.reflex,
            "user_stop": self.user_stop,
            "drop_commands": self.drop_commands,
            "mute": self.mute,
            "silence": self.silence,
            "disconnect": self.disconnect,
            "push": self.push,
            "place_object": self.place_object,
            "place_arm": self.place_arm,
            "scene": scene.exchange,
            "strict": self.strict,
            "clock": self.clock,
            "reset_statistics": self.reset_statistics,
            "status": self.status,
            "leave": self.leave,
        }

    def carry_out(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what ``request`` says.

        Raises:
            FaultError: There is no such request, or its fields are not those it has.
        """
        fields = dict(request)
        name = fields.pop("do", None)
        if name not in self._requests:
            raise FaultError(f"'do' must be one of {', '.join(self._requests)}, got {name!r}")
        try:
            return self._requests[name](**fields) or {}
        except (TypeError, ValueError, KeyError) as error:
            raise FaultError(f"{name}: {error}") from error

    def reflex(self, error: str = "cartesian_reflex") -> None:
        """Stop with an error, one of the robot's names."""
        self._robot.motion.reflex(RobotError[error.upper()], "injected")

    def user_stop(self, pressed: bool) -> None:
        """Press or release the button."""
        if pressed:
            self._robot.motion.press_user_stop()
        else:
            self._robot.motion.release_user_stop()

    def drop_commands(self, count: int) -> None:
        """Lose the next commands of the client."""
        self._robot.stream.to_drop = int(count)

    def mute(self, on: bool) -> None:
        """Answer no request any more, of robot and gripper, while states go on."""
        self._robot.channel.muted = self._gripper.channel.muted = bool(on)

    def silence(self, on: bool) -> None:
        """Send no states any more, of robot and gripper."""
        self._robot.stream.silent = self._gripper.silent = bool(on)

    def disconnect(self) -> None:
        """Hang up on the clients."""
        self._robot.channel.disconnect()
        self._gripper.channel.disconnect()

    def push(self, torques: list[float]) -> None:
        """Apply torques (7,) [Nm] to the joints from outside until told otherwise."""
        if len(torques) != JOINTS:
            raise FaultError(f"push takes {JOINTS} torques, got {len(torques)}")
        self._robot.state.pushed_torques = np.array(torques, dtype=float)

    def place_object(self, width: float | None) -> None:
        """Put something of a width [m] between the fingers, or take it away (null)."""
        if width is not None and not 0.0 <= width <= MAX_WIDTH:
            raise FaultError(f"an object between the fingers is 0 to {MAX_WIDTH} m wide, got {width}")
        self._gripper.hand.object_width = width

    def place_arm(self, joints: list[float]) -> None:
        """Put the resting arm somewhere (7,) [rad], the hand empty, as somebody would who guides it by hand."""
        if self._robot.motion.moving:
            raise FaultError("a motion is under way")
        self._scene.place_arm(joints)

    def strict(self, on: bool) -> None:
        """End motions that leave the limits, or only record them."""
        self._robot.motion.strict = bool(on)

    def clock(self, mode: str) -> None:
        """Go on with another clock."""
        self._clock.mode = ClockMode(mode)

    def reset_statistics(self) -> None:
        """Count and measure anew."""
        self._clock.reset_statistics()
        self._robot.motion.peaks.reset()
        self._robot.motion.lost = 0
        self._robot.stream.dropped = 0
        self._robot.motion.last_reflex = ""

    def status(self) -> dict[str, Any]:
        """What the robot does, and the figures since the last reset."""
        robot, clock = self._robot, self._clock
        return {
            "mode": robot.state.mode.name.lower(),
            "moving": robot.motion.moving,
            "connected": robot.channel.connected,
            "q": robot.state.q.tolist(),
            "dq": robot.state.dq.tolist(),
            "last_reflex": robot.motion.last_reflex,
            "peaks": robot.motion.peaks.summary(),
            "lost_commands": robot.motion.lost,
            "dropped_commands": robot.stream.dropped,
            "tick": robot.tick,
            "ticks": clock.ticks,
            "slipped_s": clock.slipped_s,
            "longest_tick_s": clock.longest_tick_s,
            "gripper_width": self._gripper.hand.width,
            "grasped": self._gripper.hand.grasped,
            "scene": self._scene.attached,
        }

    def leave(self) -> None:
        """End the emulator."""
        self._leave()
