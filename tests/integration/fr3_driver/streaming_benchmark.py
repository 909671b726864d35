"""Print how well the driver follows streamed motions against the emulated robot, limits enforced.

scripts/with_own_domain.sh python -m tests.integration.fr3_driver.streaming_benchmark
... --random 600             # only the randomised run, 10 minutes
... --clock realtime         # commands that come late are lost, as on the robot
"""

from __future__ import annotations

import argparse
import sys

from tests.integration.fr3_driver.conftest import DrivenArm, EmulatedRobot
from tests.integration.fr3_driver.streaming import Followed, wander, wave

from fr3_driver.arm_settings import Tracking
from fr3_driver.emulator.clock import ClockMode

RATES_HZ = (50.0, 100.0, 200.0)
REPLACED_HZ = 15.0

HEADER = (
    "| motion | tracking | commands [Hz] | worst / rms error [mrad] | peak velocity [rad/s] | acceleration [rad/s²] "
    "| jerk [rad/s³] | lost | slipped [s] | stops |\n|---|---|---|---|---|---|---|---|---|---|"
)


def row(motion: str, tracking: Tracking, rate_hz: float, followed: Followed) -> str:
    """One line of the table."""
    return (
        f"| {motion} | {tracking} | {rate_hz:g} | {1e3 * followed.worst_rad:.1f} / {1e3 * followed.rms_rad:.2f} "
        f"| {followed.velocity:.2f} | {followed.acceleration:.1f} | {followed.jerk:.0f} | {followed.lost} "
        f"| {followed.slipped_s:.2f} | {followed.reflex or followed.stop or 'none'} |"
    )


def main() -> int:
    """Entry point; fails when a motion was stopped."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clock", type=ClockMode, choices=list(ClockMode), default=ClockMode.SOFT)
    parser.add_argument("--seconds", type=float, default=6.0, help="length of each waving motion")
    parser.add_argument("--random", type=float, default=0.0, help="seconds of random goals; no waving then")
    parser.add_argument("--tracking", type=Tracking, choices=list(Tracking), default=Tracking.VELOCITY)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    robot = EmulatedRobot(options.clock)
    stopped = False
    print(HEADER, flush=True)

    def follow(tracking: Tracking, rate_hz: float) -> None:
        nonlocal stopped
        arm = DrivenArm(tracking=tracking, command_rate_hz=rate_hz, state_rate_hz=rate_hz)
        arm.connect()
        try:
            if options.random:
                followed = wander(arm, robot, options.random, options.seed)
                print(row(f"random, {options.random:g} s", tracking, rate_hz, followed), flush=True)
            else:
                followed = wave(arm, robot, options.seconds, REPLACED_HZ)
                print(row(f"wave, {options.seconds:g} s", tracking, rate_hz, followed), flush=True)
            stopped = stopped or bool(followed.reflex or followed.stop)
        finally:
            arm.driver.disconnect()

    try:
        if options.random:
            follow(options.tracking, 100.0)
        else:
            for tracking in Tracking:
                for rate_hz in RATES_HZ:
                    follow(tracking, rate_hz)
    finally:
        robot.close()
    return 1 if stopped else 0


if __name__ == "__main__":
    sys.exit(main())
