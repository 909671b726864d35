"""The simulated cell: its clock, its arm, its gripper, its errors, and that it repeats itself exactly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from fr3_sim.camera_pose import nominal_camera_in_base
from fr3_sim.gripper_control import GripperGoal, GripperGoalError
from fr3_sim.hand_ik import HandIk
from fr3_sim.layout import BLOCK_HALF_SIZE
from fr3_sim.simulation import JOINT_NAMES, SceneOptions, Simulation
from fr3_sim.task import Task
from ik_controller.trajectory_executor import TrajectoryCommand

SEED = 100_001
FloatArray = NDArray[np.float64]


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    simulation = Simulation()
    yield simulation
    simulation.close()


def straight_motion(simulation: Simulation, displacement: FloatArray, speed: float) -> TrajectoryCommand:
    """A straight hand motion with a minimum-jerk time law whose fastest point has ``speed`` [m/s]."""
    scene, ik = simulation.scene, HandIk(simulation.scene)
    duration = 1.875 * float(np.linalg.norm(displacement)) / speed
    times = np.linspace(0.0, duration, 41)
    u = times / duration
    joints, knots = scene.arm_joints, []
    for share in 10 * u**3 - 15 * u**4 + 6 * u**5:
        joints, _ = ik.solve(scene.tcp_position + share * displacement, scene.tcp_rotation, joints, 20)
        knots.append(joints)
    positions = np.array(knots)
    velocities = np.gradient(positions, times, axis=0)
    velocities[[0, -1]] = 0.0
    accelerations = np.gradient(velocities, times, axis=0)
    accelerations[[0, -1]] = 0.0
    positions[0] = simulation.command_record().positions[-1]
    return TrajectoryCommand(simulation.now_s + 0.05, times, positions, velocities, accelerations)


def test_the_arm_tracks_a_hand_motion_of_a_quarter_metre_per_second_within_two_millimetres(
    simulation: Simulation,
) -> None:
    simulation.reset(SEED)
    ik, worst = HandIk(simulation.scene), 0.0
    simulation.command_trajectory(straight_motion(simulation, np.array([0.05, 0.2, -0.1]), speed=0.25))
    while not simulation.arm_at_rest:
        simulation.step()
        ik.forward(simulation.command_record().positions[-1])
        commanded = ik.data.site_xpos[simulation.scene.tcp_site]
        worst = max(worst, float(np.linalg.norm(commanded - simulation.scene.tcp_position)))
    assert worst < 0.002


def test_the_clock_goes_on_by_whole_steps_and_never_back(simulation: Simulation) -> None:
    simulation.reset(SEED)
    first = simulation.now_ns
    simulation.advance(0.1)
    assert simulation.now_ns - first == 100_000_000
    simulation.reset(SEED)
    assert simulation.now_ns > first
    assert simulation.now_ns % 1_000_000_000 == 0


def test_joint_states_name_the_arm_and_half_the_opening_per_finger(simulation: Simulation) -> None:
    simulation.reset(SEED)
    reading = simulation.joint_state()
    assert JOINT_NAMES[:7] == tuple(f"fr3_joint{index}" for index in range(1, 8))
    assert JOINT_NAMES[7:] == ("fr3_finger_joint1", "fr3_finger_joint2")
    assert reading.positions[7:].sum() == pytest.approx(0.08, abs=0.001)


def test_a_seed_makes_the_same_scene_and_frame_again(simulation: Simulation) -> None:
    simulation.reset(SEED, options=SceneOptions(depth_noise=1.0))
    layout, task, frame = simulation.layout, simulation.task, simulation.render()
    simulation.reset(SEED + 1)
    simulation.reset(SEED)
    again = simulation.render()
    assert np.array_equal(layout.block_positions, simulation.layout.block_positions)
    assert task == simulation.task
    assert np.array_equal(frame.colour, again.colour)
    assert np.array_equal(frame.depth_mm, again.depth_mm)


def test_two_runs_with_the_same_commands_are_identical() -> None:
    runs = []
    for _ in range(2):
        simulation = Simulation()
        simulation.reset(SEED)
        simulation.command_trajectory(straight_motion(simulation, np.array([0.0, 0.1, -0.1]), speed=0.25))
        simulation.command_gripper(GripperGoal(0.0))
        simulation.advance(1.0)
        record = simulation.command_record()
        runs.append((record.times_s, record.positions, simulation.joint_state().positions))
        simulation.close()
    for first, second in zip(*runs, strict=True):
        assert np.array_equal(first, second)


def test_depth_is_in_millimetres_and_aligned(simulation: Simulation) -> None:
    simulation.reset(SEED, options=SceneOptions())
    frame = simulation.render()
    assert frame.colour.shape == (480, 640, 3)
    assert frame.depth_mm.shape == (480, 640)
    assert frame.depth_mm.dtype == np.uint16
    # The block asked for, seen where the calibration says.
    pose = nominal_camera_in_base()
    top = np.append(simulation.layout.block_positions[0], 2 * BLOCK_HALF_SIZE)
    in_camera = (top - pose[:3, 3]) @ pose[:3, :3]
    u, v = np.rint(frame.intrinsics.project(in_camera)).astype(int)
    assert frame.depth_m[v, u] == pytest.approx(in_camera[2], abs=0.003)


def test_an_extrinsics_error_moves_the_camera_by_as_much_as_asked(simulation: Simulation) -> None:
    simulation.reset(SEED, options=SceneOptions(extrinsics_error_m=0.01, extrinsics_error_deg=1.0))
    true, nominal = simulation.scene.camera_in_base, nominal_camera_in_base()
    angle = np.arccos((np.trace(true[:3, :3] @ nominal[:3, :3].T) - 1) / 2)
    assert np.linalg.norm(true[:3, 3] - nominal[:3, 3]) == pytest.approx(0.01)
    assert np.degrees(angle) == pytest.approx(1.0)


def test_the_gripper_opens_and_closes_to_the_width_asked_for(simulation: Simulation) -> None:
    simulation.reset(SEED, options=SceneOptions())
    for width in (0.0, 0.05, 0.08):
        simulation.command_gripper(GripperGoal(width))
        simulation.advance(1.2)
        assert not simulation.gripper_busy
        assert simulation.gripper_state.reached_goal
        assert simulation.gripper_state.width == pytest.approx(width, abs=0.002)


def test_fingers_that_close_on_a_block_stall_and_hold_it(simulation: Simulation) -> None:
    simulation.reset(SEED, task=Task(0, 0))
    scene = simulation.scene
    scene.place_block(0, scene.tcp_position, 0.0, float(scene.tcp_position[2]))
    yaw = np.arctan2(scene.tcp_rotation[1, 0], scene.tcp_rotation[0, 0])
    simulation.command_gripper(GripperGoal(0.0, 30.0))
    while simulation.gripper_busy:
        # Held in place until the fingers are there.
        if scene.finger_width > 2 * BLOCK_HALF_SIZE + 0.001:
            scene.place_block(0, scene.tcp_position, yaw, float(scene.tcp_position[2]))
        simulation.step()
    assert simulation.gripper_state.stalled
    assert simulation.gripper_state.width == pytest.approx(2 * BLOCK_HALF_SIZE, abs=0.003)
    simulation.advance(1.0)
    assert np.linalg.norm(scene.block_position(0) - scene.tcp_position) < 0.01
    outcome = simulation.task_outcome()
    assert outcome.picked_up == 0
    assert outcome.right_object
    assert not outcome.released


@pytest.mark.parametrize(("width", "effort"), [(-0.01, 0.0), (0.2, 0.0), (np.nan, 0.0), (0.04, -1.0)])
def test_gripper_goals_out_of_range_are_refused(width: float, effort: float) -> None:
    with pytest.raises(GripperGoalError):
        GripperGoal(width, effort)


def test_a_block_is_pushed_once_the_hand_is_on_its_way(simulation: Simulation) -> None:
    simulation.reset(SEED, options=SceneOptions(push_block=True))
    block = simulation.task.block
    before = simulation.scene.block_position(block)
    simulation.advance(0.5)
    assert not simulation.block_pushed
    simulation.command_trajectory(straight_motion(simulation, np.array([0.0, 0.0, -0.14]), speed=0.25))
    simulation.advance(2.0)
    assert simulation.block_pushed
    assert 0.05 < np.linalg.norm(simulation.scene.block_position(block) - before) < 0.16


def test_a_block_in_its_zone_is_a_success_and_a_pushed_neighbour_is_not(simulation: Simulation) -> None:
    simulation.reset(SEED, task=Task(1, 0), options=SceneOptions())
    assert not simulation.task_outcome().success
    simulation.scene.place_block(1, simulation.layout.zone_positions[0], 0.0)
    simulation.advance(0.1)
    assert simulation.task_outcome().success
    simulation.scene.place_block(0, simulation.layout.block_positions[0] + [0.05, 0.0], 0.0)
    simulation.advance(0.1)
    outcome = simulation.task_outcome()
    assert outcome.placed
    assert not outcome.success
    assert outcome.other_displacement == pytest.approx(0.05, abs=0.005)
