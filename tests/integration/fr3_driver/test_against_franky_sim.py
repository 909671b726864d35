"""The emulator beside ``franky-sim``, another implementation of the protocol: where both apply, a client sees the same.

``franky-sim`` has dynamics (its joints lag and settle late) and neither limits nor faults, so what is compared is what
a motion comes to: where, in how much of the robot's time, and what the state says at rest.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import franky
import numpy as np
import pytest
from tests.integration.fr3_driver.conftest import HOST as EMULATOR_HOST
from tests.integration.fr3_driver.conftest import EmulatedRobot, wait

pytest.importorskip("franky_sim")
pytestmark = [pytest.mark.timeout(300), pytest.mark.real_time]

FRANKY_SIM_HOST = f"127.2.{os.getpid() // 250 % 250}.{1 + os.getpid() % 250}"
"""Another address than that of the emulator in these tests."""

HOME = np.array([0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785])
AWAY = np.array([0.5, -0.4, 0.2, -2.1, 0.2, 1.8, 0.5])
ARRIVED_RAD = 4e-3
"""So near to its goal an arm with dynamics settles [rad]."""

STANDING_RAD = 2e-4
LOOK_AGAIN_S = 0.1
"""An arm that moves less than this [rad] from one look to the next [s] stands; speeds of physics never vanish."""

CONNECT_S = 60.0
TRIES = 3
"""A client that a busy machine keeps waiting sees a motion end too late: the shortest time of so many counts."""


@dataclass
class Behaviour:
    """What a client sees of one robot."""

    motion_ms: int
    settled: np.ndarray
    hand_in_base: np.ndarray
    torques: np.ndarray
    frames: dict[str, np.ndarray]
    cartesian_way: np.ndarray
    velocity_way: np.ndarray
    sprung: float
    load: float
    stop: str
    after_stop: tuple[bool, franky.RobotMode]
    gripper: dict[str, float | bool]


def connect(host: str) -> franky.Robot:
    """A client, as soon as somebody listens."""
    ends_s = time.monotonic() + CONNECT_S
    while True:
        try:
            client = franky.Robot(host, realtime_config=franky.RealtimeConfig.Ignore)
            break
        except Exception:
            assert time.monotonic() < ends_s, f"nobody listens on {host}"
            time.sleep(0.2)
    client.joint_acceleration_limit.set(np.minimum(9.5, client.joint_acceleration_limit.max))
    client.joint_jerk_limit.set(np.minimum(4500.0, client.joint_jerk_limit.max))
    client.translation_acceleration_limit.set(3.0)
    client.translation_jerk_limit.set(1000.0)
    client.rotation_jerk_limit.set(2000.0)
    client.elbow_jerk_limit.set(1000.0)
    client.relative_dynamics_factor = 0.3
    return client


def go(client: franky.Robot, goal: np.ndarray) -> None:
    """Move there, and wait until the arm has settled."""
    client.move(franky.JointMotion(goal))
    wait(lambda: np.abs(client.state.q - goal).max() < ARRIVED_RAD, "the arm to settle")


def standing(client: franky.Robot) -> np.ndarray:
    """Where the arm comes to rest: the same place twice, a while apart."""
    places = [np.array(client.state.q)]

    def stands() -> bool:
        time.sleep(LOOK_AGAIN_S)
        places.append(np.array(client.state.q))
        return bool(np.abs(places[-1] - places[-2]).max() < STANDING_RAD)

    wait(stands, "the arm to stand")
    return places[-1]


def behaviour(host: str) -> Behaviour:
    """The same things done to any robot."""
    client = connect(host)
    motions_ms = []
    for _ in range(TRIES):
        go(client, HOME)
        began = client.state.time
        client.move(franky.JointMotion(AWAY))
        motions_ms.append((client.state.time - began).to_msec())
        go(client, AWAY)
    at_rest = client.state
    go(client, HOME)
    start = client.current_pose.end_effector_pose.translation
    client.move(franky.CartesianMotion(franky.Affine([0.0, 0.0, 0.05]), franky.ReferenceType.Relative))
    cartesian_way = client.current_pose.end_effector_pose.translation - start
    go(client, HOME)
    before = client.state.q
    client.move(franky.JointVelocityMotion([0.3] + [0.0] * 6, franky.Duration(500)))
    velocity_way = standing(client) - before
    client.set_load(0.5, [0.0, 0.0, 0.05], [0.001] * 9)
    # The answer and the states come on ways of their own: a state sent before may be read after.
    wait(lambda: client.state.m_load != 0.0, "the load in the robot's state")
    load = client.state.m_load
    client.set_load(0.0, [0.0] * 3, [0.0] * 9)
    go(client, HOME)
    with franky.JointImpedanceTracker(
        client, stiffness=np.full(7, 400.0), damping=np.full(7, 40.0), period=0.01
    ) as tracker:
        target = HOME + np.array([0.0, 0.0, 0.0, 0.05, 0.0, 0.0, 0.0])
        tracker.set_target(target)
        wait(lambda: abs(tracker.state.q[3] - target[3]) < ARRIVED_RAD, "the spring to come to rest")
        sprung = float(tracker.state.q[3] - HOME[3])
    # Slow enough to be stopped on the way, even where the robot's time runs ahead of the wall's.
    client.relative_dynamics_factor = 0.02
    client.move(franky.JointMotion(AWAY), asynchronous=True)
    wait(lambda: np.abs(client.state.dq).max() > 0.02, "motion")
    client.stop()
    stop = ""
    with contextlib.suppress(franky.ControlException):
        try:
            client.join_motion()
        except franky.ControlException as error:
            stop = str(error)
            raise
    after_stop = (bool(client.has_errors), client.state.robot_mode)
    hand = franky.Gripper(host)
    gripper: dict[str, float | bool] = {"max_width": hand.max_width, "version": hand.server_version}
    gripper["moved"] = hand.move(0.05, 0.1)
    gripper["width"] = hand.width
    gripper["grasped"] = hand.grasp(0.0, 0.1, 20.0, epsilon_inner=0.08, epsilon_outer=0.08)
    gripper["closed"] = hand.width
    gripper["is_grasped"] = hand.is_grasped
    return Behaviour(
        motion_ms=min(motions_ms),
        settled=np.array(at_rest.q),
        hand_in_base=at_rest.O_T_EE.matrix,
        torques=np.array(at_rest.tau_J),
        frames={
            **{name: getattr(at_rest, name).matrix for name in ("F_T_EE", "NE_T_EE", "EE_T_K")},
            **{name: np.array(getattr(at_rest, name)) for name in ("m_ee", "F_x_Cee", "I_ee", "m_total")},
        },
        cartesian_way=cartesian_way,
        velocity_way=np.array(velocity_way),
        sprung=sprung,
        load=load,
        stop=stop,
        after_stop=after_stop,
        gripper=gripper,
    )


@pytest.fixture(scope="module")
def other() -> Iterator[Behaviour]:
    """What ``franky-sim`` does."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "franky_sim.run_server",
            "--simulator",
            "mujoco",
            "--hostname",
            FRANKY_SIM_HOST,
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
    )
    try:
        yield behaviour(FRANKY_SIM_HOST)
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def own() -> Iterator[Behaviour]:
    """What the emulator does, on the clock that waits for every command."""
    emulator = EmulatedRobot("lockstep")
    try:
        yield behaviour(EMULATOR_HOST)
    finally:
        emulator.close()


def test_motions_take_the_same_time_and_end_at_the_same_place(own: Behaviour, other: Behaviour) -> None:
    assert own.motion_ms == pytest.approx(other.motion_ms, abs=20)
    assert own.settled == pytest.approx(other.settled, abs=ARRIVED_RAD)
    assert own.hand_in_base == pytest.approx(other.hand_in_base, abs=8e-3)
    assert own.cartesian_way == pytest.approx(other.cartesian_way, abs=2e-3)
    assert own.velocity_way == pytest.approx(other.velocity_way, abs=ARRIVED_RAD)


def test_the_state_at_rest_says_the_same(own: Behaviour, other: Behaviour) -> None:
    for name, value in own.frames.items():
        assert value == pytest.approx(other.frames[name], abs=1e-6), name
    # Gravity, of two models of the same arm and hand, at postures that differ by milliradians; joint 7 carries none,
    # and franky-sim's fights its friction there.
    assert own.torques[:6] == pytest.approx(other.torques[:6], abs=1.5)
    assert own.load == other.load == 0.5


def test_a_spring_and_a_stop_do_the_same(own: Behaviour, other: Behaviour) -> None:
    assert own.sprung == pytest.approx(other.sprung, abs=2 * ARRIVED_RAD)
    assert "preempted" in own.stop
    assert own.stop == other.stop
    assert own.after_stop == other.after_stop == (False, franky.RobotMode.Idle)


def test_the_hands_do_the_same(own: Behaviour, other: Behaviour) -> None:
    for name in ("max_width", "version", "moved", "grasped", "is_grasped"):
        assert own.gripper[name] == other.gripper[name], name
    assert own.gripper["width"] == pytest.approx(other.gripper["width"], abs=2e-3)
    assert own.gripper["closed"] == pytest.approx(other.gripper["closed"], abs=2e-3)
