"""Print what becomes of a moving arm when something goes wrong: the driver's state, how soon, and when the arm rests.

scripts/with_own_domain.sh python -m tests.integration.fr3_driver.fault_benchmark
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import numpy as np
from tests.integration.fr3_driver.conftest import DrivenArm, EmulatedRobot, only, wait

from fr3_driver.arm_driver import ArmDriverError
from fr3_driver.driver_state import DriverState

TURN = only(0, 0.6)
MOVING_RAD_S = 0.2

HEADER = (
    "| fault during a motion | state | named after [ms] | arm at rest after [ms] | `~/recover` took [s] |\n"
    "|---|---|---|---|---|"
)


class Bench:
    """One robot and one driver for all faults."""

    def __init__(self) -> None:
        self.robot = EmulatedRobot()
        self.arm = DrivenArm()
        self.arm.connect()

    def try_out(self, name: str, begin: Callable[[], object], end: Callable[[], object]) -> str:
        """One line of the table: ``begin`` makes the fault, ``end`` what a person does before the recovery."""
        arm, robot = self.arm, self.robot
        arm.move(-arm.positions[0] * only(0, 1.0), 1.5)
        arm.go(TURN, 3.0)
        wait(lambda: np.abs(robot.status["dq"]).max() > MOVING_RAD_S or arm.driver.keep_alive(), "motion")
        alive = threading.Event()
        keeper = threading.Thread(target=self._keep_alive, args=(alive,))
        began_s = time.monotonic()
        begin()
        if name != "node stuck":
            keeper.start()
        rest_ms = "dead" if name == "control box dies" else f"{1e3 * self._rest_s(began_s):.0f}"
        wait(lambda: arm.state is not DriverState.MOVING, "a state")
        named_s = next(
            s for s, status in arm.history if s > began_s and status.state is not DriverState.MOVING
        )
        wait(lambda: arm.state is not DriverState.STOPPING, "rest")
        alive.set()
        if keeper.is_alive():
            keeper.join()
        status = arm.driver.status
        end()
        took = "not needed"
        if status.state.needs_recovery:
            recover_s = time.monotonic()
            arm.driver.recover()
            took = f"{time.monotonic() - recover_s:.2f}"
        return f"| {name} | {status} | {1e3 * (named_s - began_s):.0f} | {rest_ms} | {took} |"

    def _rest_s(self, began_s: float) -> float:
        wait(lambda: not np.any(self.robot.status["dq"]), "rest")
        return time.monotonic() - began_s

    def _keep_alive(self, end: threading.Event) -> None:
        while not end.wait(0.05):
            self.arm.driver.keep_alive()


def main() -> int:
    """Entry point."""
    bench = Bench()
    robot, arm = bench.robot, bench.arm

    def nothing() -> None:
        pass

    faults: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
        ("reflex", lambda: robot.ask("reflex"), nothing),
        (
            "push of 60 Nm",
            lambda: robot.ask("push", torques=[60.0] * 7),
            lambda: robot.ask("push", torques=[0.0] * 7),
        ),
        (
            "stop button",
            lambda: robot.ask("user_stop", pressed=True),
            lambda: robot.ask("user_stop", pressed=False),
        ),
        ("commands lost", lambda: robot.ask("drop_commands", count=1000), nothing),
        ("states lost", lambda: robot.ask("silence", on=True), lambda: robot.ask("silence", on=False)),
        ("robot hangs up", lambda: robot.ask("disconnect"), nothing),
        ("control box dies", robot.die, robot.start),
        ("worker process killed", lambda: arm.driver._link._process.kill(), nothing),
        ("node stuck", nothing, nothing),
    ]
    print(HEADER, flush=True)
    try:
        for name, begin, end in faults:
            print(bench.try_out(name, begin, end), flush=True)
        robot.ask("reflex")
        arm.wait_for(DriverState.REFLEX)
        robot.ask("mute", on=True)
        began_s = time.monotonic()
        try:
            arm.driver.recover()
        except ArmDriverError as error:
            print(
                f"\nA recovery that a mute robot does not answer: {error}, after {time.monotonic() - began_s:.1f} s"
            )
    finally:
        arm.driver.disconnect()
        robot.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
