"""Motions that are streamed to the driver, and how well the emulated arm follows them."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import ruckig
from numpy.typing import NDArray
from tests.integration.fr3_driver.conftest import DrivenArm, EmulatedRobot, wait

from fr3_driver.driver_state import DriverState
from ik_controller.joint_limits import JointLimits
from ik_controller.trajectory_executor import TrajectoryCommand

FloatArray = NDArray[np.float64]

KNOT_S = 0.05
AHEAD_S = 0.1
LAST_S = 0.5
"""What is left to be done in less than this [s] is not sent again: a late machine would send what is over."""

AMPLITUDE_RAD = 0.2
WAVE_S = 3.0
LIBRARY_VELOCITY = 2.1
"""What the library lets every joint do [rad/s]; the FR3's wrist could do more."""

WAVING = {0: 1.0, 5: 0.7}
"""Joints that wave, and their share of the amplitude."""


@dataclass(frozen=True)
class Followed:
    """How well a motion was followed.

    Attributes:
        worst_rad: Greatest distance of a joint from the trajectory [rad]; ``rms_rad`` likewise over all samples.
        velocity: Greatest commanded velocity [rad/s]; ``acceleration`` [rad/s²], ``jerk`` [rad/s³] likewise.
        position_room_rad: Least distance of a command to a position bound [rad].
        lost: Commands that came too late.
        slipped_s: How much the emulator's time fell behind the wall's [s].
        reflex: What the robot stopped for; empty where it did not.
        stop: What the driver stopped for; empty where it did not.
    """

    worst_rad: float
    rms_rad: float
    velocity: float
    acceleration: float
    jerk: float
    position_room_rad: float
    lost: int
    slipped_s: float
    reflex: str
    stop: str


class Recorder:
    """Begins when it is made; ``result`` waits for rest and sums up."""

    def __init__(self, arm: DrivenArm, robot: EmulatedRobot) -> None:
        robot.ask("reset_statistics")
        self._arm, self._robot, self._first = arm, robot, len(arm.readings)

    def result(self) -> Followed:
        arm = self._arm
        wait(lambda: arm.state is not DriverState.MOVING or arm.driver.keep_alive(), "rest")
        status = self._robot.status
        errors = np.array(
            [
                reading.tracking_error_rad
                for reading in arm.readings[self._first :]
                if reading.tracking_error_rad is not None
            ]
        )
        peaks = status["peaks"]
        return Followed(
            float(errors.max()),
            float(np.sqrt((errors**2).mean())),
            peaks["velocity"],
            peaks["acceleration"],
            peaks["jerk"],
            np.inf if peaks["position_room"] is None else peaks["position_room"],
            status["lost_commands"],
            status["slipped_s"],
            status["last_reflex"],
            arm.driver.status.reason,
        )


def wave(arm: DrivenArm, robot: EmulatedRobot, seconds: float, replaced_hz: float) -> Followed:
    """Two joints wave, and the trajectory is sent again and again, from where it is."""
    times_s = np.arange(0.0, seconds + 1e-9, KNOT_S)
    rate = 2.0 * np.pi / WAVE_S
    positions = np.tile(arm.positions, (len(times_s), 1))
    velocities = np.zeros_like(positions)
    for joint, share in WAVING.items():
        positions[:, joint] += share * AMPLITUDE_RAD * (1.0 - np.cos(rate * times_s))
        velocities[:, joint] = share * AMPLITUDE_RAD * rate * np.sin(rate * times_s)
    velocities[-1] = 0.0
    recorder = Recorder(arm, robot)
    start_s = time.monotonic() + AHEAD_S
    while (now_s := time.monotonic()) < start_s + seconds and not arm.state.needs_recovery:
        # The first knot that is not too near to be reached in time.
        knot = min(max(int((now_s - start_s + KNOT_S) / KNOT_S), 0), len(times_s) - 1)
        if times_s[-1] - times_s[knot] >= LAST_S:
            arm.driver.execute(
                TrajectoryCommand(
                    start_s + times_s[knot],
                    times_s[knot:] - times_s[knot],
                    positions[knot:],
                    velocities[knot:],
                )
            )
        pass_time(arm, 1.0 / replaced_hz)
    return recorder.result()


def wander(
    arm: DrivenArm, robot: EmulatedRobot, seconds: float, seed: int, limits_name: str = "fr3_rectangular"
) -> Followed:
    """From goal to random goal as fast as the limits allow; most goals are replaced on the way by the next."""
    random = np.random.default_rng(seed)
    limits = JointLimits.load(limits_name)
    planner = ruckig.Ruckig(limits.count)
    recorder = Recorder(arm, robot)
    start_s = time.monotonic() + AHEAD_S
    state = (arm.positions.tolist(), [0.0] * limits.count, [0.0] * limits.count)
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s and not arm.state.needs_recovery:
        last = time.monotonic() + 3.0 > ends_s
        request = ruckig.InputParameter(limits.count)
        request.current_position, request.current_velocity, request.current_acceleration = state
        request.target_position = random.uniform(
            limits.position_lower + 0.05, limits.position_upper - 0.05
        ).tolist()
        request.max_velocity = np.minimum(0.9 * limits.velocity, LIBRARY_VELOCITY).tolist()
        request.max_acceleration = (0.6 * limits.acceleration).tolist()
        request.max_jerk = (0.2 * limits.jerk).tolist()
        path = ruckig.Trajectory(limits.count)
        planner.calculate(request, path)
        times_s = np.append(np.arange(0.0, path.duration, KNOT_S / 2), path.duration)
        knots = [path.at_time(at_s) for at_s in times_s]
        positions, velocities, accelerations = (np.array([knot[part] for knot in knots]) for part in range(3))
        velocities[-1] = 0.0
        arm.driver.execute(TrajectoryCommand(start_s, times_s, positions, velocities, accelerations))
        going_s = path.duration if last else random.uniform(0.2, 1.2) * path.duration
        pass_time(arm, start_s + going_s - AHEAD_S - time.monotonic())
        # A machine that is late decides later.
        next_s = max(start_s + going_s, time.monotonic() + AHEAD_S / 2)
        state = path.at_time(min(next_s - start_s, path.duration))
        start_s = next_s
        if last:
            break
    return recorder.result()


def pass_time(arm: DrivenArm, seconds: float) -> None:
    """Wait while the node is alive."""
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        arm.driver.keep_alive()
        time.sleep(max(min(0.05, ends_s - time.monotonic()), 0.0))
