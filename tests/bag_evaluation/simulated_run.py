"""A recording whose truth is known to the last digit: an episode of the simulator, with the pose of every body."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray
from tests.closed_loop.lockstep import ARM, FINGERS
from tests.closed_loop.trace_sources import ExactTraces

from fr3_sim.camera import INTRINSICS
from fr3_sim.camera_pose import nominal_camera_in_base
from fr3_sim.depth_noise import noisy_depth
from fr3_sim.gripper_control import GripperGoal
from fr3_sim.instructions import training_instruction
from fr3_sim.simulation import RgbdFrame, Simulation
from ik_controller.evaluation.recording import Camera, JointTrack, RecordedFrame
from ik_controller.follower import FollowerInput, TraceFollower
from ik_controller.robot_model import RobotModel
from ik_controller.trajectory_executor import TrajectoryCommand
from tracegen_model.runtime.preprocessing import MODEL_IMAGE_SIDE
from tracegen_model.trace_grid import grid_pixels

FRAME_PERIOD_S = 0.1
JOINT_PERIOD_S = 0.02
REPLAN_EVERY = 3
"""The oracle is asked at every so many-th frame; its traces take longer to make than frames."""

REST_AT_END_S = 0.5
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ExactFrame:
    """What no camera sees.

    Attributes:
        exact_depth: (H, W) depth without noise or rounding [m].
        positions: (bodies, 3) of every MuJoCo body [m, base frame].
        rotations: (bodies, 3, 3).
    """

    exact_depth: NDArray[np.float32]
    positions: FloatArray
    rotations: FloatArray


@dataclass
class SimulatedRun:
    """A recording and its truth."""

    simulation: Simulation
    frames: list[RecordedFrame]
    raw: list[RgbdFrame]
    exact: list[ExactFrame]
    joint_times_s: list[float]
    joint_positions: list[FloatArray]
    bodies_of_pixels: dict[int, NDArray[np.int64]]
    success: bool

    @property
    def joints(self) -> JointTrack:
        """The joints as a recording holds them."""
        positions = np.array(self.joint_positions)
        times = np.array(self.joint_times_s)
        return JointTrack(times, positions[:, ARM], times, positions[:, FINGERS])

    @property
    def camera(self) -> Camera:
        """The camera as it is calibrated."""
        return Camera(nominal_camera_in_base(), INTRINSICS)

    def exact_paths(self, start: int, pixels: FloatArray, bodies: NDArray[np.int64]) -> FloatArray:
        """(F - start, N, 3) true places [m, camera frame] of what is seen at ``pixels`` of frame ``start``."""
        column, row = np.rint(pixels).astype(int).T
        first = self.exact[start]
        pose = self.simulation.scene.camera_in_base
        in_camera = INTRINSICS.back_project(pixels, first.exact_depth[row, column])
        in_base = in_camera @ pose[:3, :3].T + pose[:3, 3]
        body = np.maximum(bodies, 0)
        local = np.einsum("nji,nj->ni", first.rotations[body], in_base - first.positions[body])
        paths = [
            np.einsum("nij,nj->ni", frame.rotations[body], local) + frame.positions[body]
            for frame in self.exact[start:]
        ]
        return (np.array(paths) - pose[:3, 3]) @ pose[:3, :3]


def model_pixels() -> FloatArray:
    """(400, 2) pixels of the camera's image that the shipped network's traces start at."""
    scale = np.array([INTRINSICS.width, INTRINSICS.height]) / MODEL_IMAGE_SIDE
    return (grid_pixels(MODEL_IMAGE_SIDE, MODEL_IMAGE_SIDE) + 0.5) * scale - 0.5


def simulated_run(
    seed: int,
    depth_noise: float = 0.0,
    timeout_s: float = 14.0,
    bodies_at: FloatArray | None = None,
    bodies_every: int = 10,
) -> SimulatedRun:
    """The follower on the oracle's traces, recorded.

    Args:
        seed: Of the scene.
        depth_noise: 0 = exact, 1 = a D435.
        timeout_s: Length of the recording at most [s].
        bodies_at: (N, 2) pixels whose bodies are wanted, at every ``bodies_every``-th frame.
        bodies_every: See ``bodies_at``.
    """
    simulation = Simulation()
    simulation.reset(seed)
    layout, task = simulation.layout, simulation.task
    words = training_instruction(
        layout.block_colours[task.block], layout.zone_colours[task.zone], np.random.default_rng(seed)
    )
    source, follower = ExactTraces(simulation), TraceFollower(RobotModel.fr3())
    follower.set_task(words)
    run = SimulatedRun(simulation, [], [], [], [], [], {}, False)
    start_s = simulation.now_s
    done_s: float | None = None
    for number in range(round(timeout_s / FRAME_PERIOD_S)):
        # A physics step leaves the bodies' poses one step behind the joints.
        mujoco.mj_kinematics(simulation.scene.model, simulation.scene.data)
        frame, exact_depth = _picture(simulation, depth_noise, number)
        _note_joints(run)
        data = simulation.scene.data
        run.raw.append(frame)
        run.frames.append(
            RecordedFrame(frame.stamp_ns * 1e-9, frame.stamp_ns, frame.colour, frame.depth_m, words)
        )
        run.exact.append(ExactFrame(exact_depth, data.xpos.copy(), data.xmat.reshape(-1, 3, 3).copy()))
        if bodies_at is not None and number % bodies_every == 0:
            run.bodies_of_pixels[number] = simulation.camera.render_bodies(bodies_at)
        if number % REPLAN_EVERY == 0:
            done = _follow(simulation, follower, source, frame)
            done_s = (done_s or simulation.now_s) if done else None
        for _ in _parts(FRAME_PERIOD_S, JOINT_PERIOD_S):
            simulation.advance(JOINT_PERIOD_S)
            _note_joints(run)
        if done_s is not None and simulation.now_s - done_s > REST_AT_END_S:
            break
    run.success = simulation.task_outcome().success
    assert simulation.now_s > start_s
    return run


def _picture(
    simulation: Simulation, depth_noise: float, number: int
) -> tuple[RgbdFrame, NDArray[np.float32]]:
    """What the camera sees, and the depth without noise or rounding, drawn once."""
    colour, exact = simulation.camera.render()
    rng = np.random.default_rng([simulation.seed, number])
    millimetres = np.rint(1000.0 * noisy_depth(exact, INTRINSICS.fx, depth_noise, rng)).astype(np.uint16)
    return RgbdFrame(simulation.now_ns, colour, millimetres, INTRINSICS), exact


def _parts(whole_s: float, part_s: float) -> Iterator[int]:
    yield from range(round(whole_s / part_s))


def _note_joints(run: SimulatedRun) -> None:
    reading = run.simulation.joint_state()
    time_s = reading.stamp_ns * 1e-9
    if not run.joint_times_s or time_s > run.joint_times_s[-1]:
        run.joint_times_s.append(time_s)
        run.joint_positions.append(reading.positions)


def _follow(simulation: Simulation, follower: TraceFollower, source: ExactTraces, frame: RgbdFrame) -> bool:
    """One update of the follower; whether it says that the task is done."""
    now = simulation.joint_state()
    output = follower.update(
        FollowerInput(
            now_s=simulation.now_s,
            trace_stamp_s=frame.stamp_ns * 1e-9,
            traces=source(frame, "the oracle needs no words"),
            camera_in_base=nominal_camera_in_base(),
            intrinsics=frame.intrinsics,
            depth_m=frame.depth_m,
            joints_at_trace=now.positions[ARM],
            joint_state_now=(now.positions[ARM], now.velocities[ARM]),
            finger_width_m=float(now.positions[FINGERS].sum()),
            gripper_busy=simulation.gripper_busy,
        )
    )
    if output.gripper is not None:
        simulation.command_gripper(GripperGoal(output.gripper.width, output.gripper.max_effort))
    if output.trajectory is not None:
        simulation.command_trajectory(TrajectoryCommand.of(output.trajectory, output.start_s))
    return output.event == "done"
