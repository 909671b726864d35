"""How the emulator's milliseconds follow those of the wall, and whether it waits for commands.

    realtime   a tick every millisecond; a command that is not there then is lost, as on the robot
    soft       the same, but a tick waits a while for its command, and short delays are made up for afterwards: a busy
               machine loses time instead of commands
    lockstep   during a motion the next tick comes as soon as the command is there: as fast as the machine can

One tick is one millisecond of the robot's time in all of them, and none is ever left out: who is late slips.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum

from fr3_driver.emulator.motion_control import PERIOD_S


class ClockMode(StrEnum):
    """Names of the clocks."""

    REALTIME = "realtime"
    SOFT = "soft"
    LOCKSTEP = "lockstep"


GRACE_S = {ClockMode.REALTIME: 0.0, ClockMode.SOFT: 0.1, ClockMode.LOCKSTEP: 0.2}
"""How long beyond its end a tick waits for a command [s]."""

DEBT_S = {ClockMode.REALTIME: PERIOD_S, ClockMode.SOFT: 0.05, ClockMode.LOCKSTEP: 0.0}
"""How far behind the wall's time a clock catches up [s]; what is more is never made up for."""


class TickClock:
    """Paces the ticks.

    Args:
        mode: Which of the clocks it is.
        pump: Serves the sockets for at most that many seconds, and returns earlier when something has come.
    """

    def __init__(self, mode: ClockMode, pump: Callable[[float], None]) -> None:
        self.mode = mode
        self._pump = pump
        self._due_s = time.perf_counter() + PERIOD_S
        self.slipped_s = 0.0
        self.longest_tick_s = 0.0
        self.ticks = 0
        self._tick_began_s = time.perf_counter()

    def reset_statistics(self) -> None:
        """Count and measure anew."""
        self.slipped_s, self.longest_tick_s, self.ticks = 0.0, 0.0, 0

    def wait(self, command_due: Callable[[], bool]) -> None:
        """Wait for the end of the tick.

        Args:
            command_due: A motion goes on and its command for this tick has not come.
        """
        if not (self.mode is ClockMode.LOCKSTEP and command_due()):
            self._pump_until(self._due_s, lambda: True)
        # At least once, or a machine that is always late never hears anything.
        self._pump(0.0)
        if command_due():
            self._pump_until(time.perf_counter() + GRACE_S[self.mode], command_due)
        now_s = time.perf_counter()
        late_s = now_s - self._due_s
        debt_s = DEBT_S[self.mode]
        if late_s > debt_s:
            self.slipped_s += late_s - debt_s
            self._due_s = now_s - debt_s
        elif self.mode is ClockMode.LOCKSTEP:
            self._due_s = now_s
        self._due_s += PERIOD_S
        self.longest_tick_s = max(self.longest_tick_s, now_s - self._tick_began_s)
        self._tick_began_s = now_s
        self.ticks += 1

    def _pump_until(self, end_s: float, go_on: Callable[[], bool]) -> None:
        while go_on() and (left_s := end_s - time.perf_counter()) > 0.0:
            self._pump(left_s)
