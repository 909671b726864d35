"""The simulated cell as one object: table, arm, gripper, camera and the clock they share. Knows no ROS.

Everything that a real cell offers is here under names of its own: joint states, RGB-D frames, trajectory and gripper
commands. ``task_outcome`` and ``command_record`` are for judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from fr3_sim.appearance import AppearanceDomain, random_appearance
from fr3_sim.arm_control import ArmControl, arm_joint_range
from fr3_sim.camera import INTRINSICS, RgbdCamera
from fr3_sim.camera_pose import nominal_camera_in_base, perturbed_camera_pose
from fr3_sim.command_recorder import CommandRecord, CommandRecorder
from fr3_sim.depth_noise import noisy_depth
from fr3_sim.disturbance import BlockPush
from fr3_sim.gripper_control import MAX_WIDTH, GripperControl, GripperGoal, GripperState
from fr3_sim.hand_ik import HandIk, downward_rotation
from fr3_sim.layout import BLOCK_COUNT, ZONE_COUNT, TableLayout, random_layout
from fr3_sim.scene import ARM_JOINTS, FINGER_JOINTS, PHYSICS_PERIOD, TabletopScene
from fr3_sim.task import Task, TaskJudge, TaskOutcome
from ik_controller.joint_limits import JointLimits
from ik_controller.joint_trajectory import JointState
from ik_controller.trajectory_executor import TrajectoryCommand, TrajectoryExecutor
from tracegen_model.camera import CameraIntrinsics

FloatArray = NDArray[np.float64]

JOINT_NAMES = (*ARM_JOINTS, *(f"fr3_{name}" for name in FINGER_JOINTS))
"""All joints of the robot, as franka_description names them; a finger joint is half the opening [m]."""

STEP_NS = round(PHYSICS_PERIOD * 1e9)
"""Physics time step [ns]."""

CLOCK_START_NS = 1_000_000_000
"""The clock's first value [ns]: stamp 0 means "now" in commands and "unset" in messages."""

SETTLING_STEPS = 100
"""Physics steps after a reset before anybody looks."""

MILLIMETRES_PER_METRE = 1000.0
LARGEST_DEPTH_MM = np.iinfo(np.uint16).max

JOINING_LIMITS = "fr3_rectangular"
"""Joint limits that a late trajectory is joined within; what they allow, the robot's own controller accepts."""

START_REGION = ((0.40, 0.52), (-0.12, 0.12), (0.22, 0.32))
"""The hand starts somewhere in this box [m, fr3_link0] …"""

START_YAW = 0.3
"""… turned by at most this [rad]."""

START_IK_ERROR = 3e-3

_LAYOUT, _TASK, _LOOK, _START, _CALIBRATION, _PUSH, _DEPTH = range(7)
"""Streams of random numbers that a scene's seed gives; none depends on how much another one draws."""

_SCENE_SEEDS = 0x5CE7E
"""Keeps the scenes of a seed apart from the demonstrations of the same seed."""


@dataclass(frozen=True)
class SceneOptions:
    """How a scene differs from the nominal one.

    Attributes:
        appearance: Where colours, texture and light are drawn from.
        depth_noise: 0 = exact depth, 1 = noise and holes of a D435.
        extrinsics_error_m: The camera stands this far from where the calibration says [m] …
        extrinsics_error_deg: … and is turned by this much [deg], directions random.
        push_block: The block asked for is pushed away while the hand is on its way to it.
    """

    appearance: AppearanceDomain = AppearanceDomain.NOMINAL
    depth_noise: float = 0.0
    extrinsics_error_m: float = 0.0
    extrinsics_error_deg: float = 0.0
    push_block: bool = False


@dataclass(frozen=True)
class RgbdFrame:
    """One picture of the RGB-D camera.

    Attributes:
        stamp_ns: When it was taken [ns].
        colour: (H, W, 3) uint8 RGB.
        depth_mm: (H, W) uint16 [mm along the optical axis], 0 = no reading; aligned to ``colour``.
        intrinsics: Of both images.
    """

    stamp_ns: int
    colour: NDArray[np.uint8]
    depth_mm: NDArray[np.uint16]
    intrinsics: CameraIntrinsics

    @property
    def depth_m(self) -> NDArray[np.float32]:
        """(H, W) depth [m]."""
        return self.depth_mm.astype(np.float32) * np.float32(1.0 / MILLIMETRES_PER_METRE)


@dataclass(frozen=True)
class JointReading:
    """Positions and velocities of ``JOINT_NAMES`` (9,) [rad, rad/s; fingers m, m/s] at ``stamp_ns``."""

    stamp_ns: int
    positions: FloatArray
    velocities: FloatArray


class Simulation:
    """A tabletop cell on its own clock; ``reset`` before anything else.

    The clock is a whole number of physics steps and never runs backwards: a reset goes on to the next whole second but
    one, so that every scene starts at the same phase.

    Attributes:
        scene: The MuJoCo model and state: simulator truth.
        camera: What renders it.
        layout: What lies on the table.
        task: What is asked for.
        seed: Seed of the scene.
    """

    def __init__(self, options: SceneOptions | None = None) -> None:
        self.options = options or SceneOptions()
        self.scene = TabletopScene()
        self.camera = RgbdCamera(self.scene)
        self._hand_ik = HandIk(self.scene)
        self._arm = ArmControl(self.scene)
        self._gripper = GripperControl(self.scene)
        self._executor = TrajectoryExecutor(arm_joint_range(self.scene), JointLimits.load(JOINING_LIMITS))
        self._recorder = CommandRecorder(len(ARM_JOINTS))
        self._finger_dof = np.array([self.scene.model.joint(name).dofadr[0] for name in FINGER_JOINTS])
        self._now_ns = CLOCK_START_NS
        self._frames = 0
        self._followed: JointState | None = None
        self.reset(0)

    def reset(self, seed: int, task: Task | None = None, options: SceneOptions | None = None) -> None:
        """Make the scene of ``seed``.

        Args:
            seed: Decides layout, task, start posture, look and errors.
            task: What is asked for; drawn from the seed if None.
            options: Replaces the options in force.
        """
        self.options = options or self.options
        self.seed = seed
        self.layout: TableLayout = random_layout(self._rng(_LAYOUT))
        self.task = task or self.drawn_task(seed)
        self.scene.reset(
            self.layout, random_appearance(self.layout, self._rng(_LOOK), self.options.appearance)
        )
        self.scene.set_camera_pose(
            perturbed_camera_pose(
                nominal_camera_in_base(),
                self.options.extrinsics_error_m,
                np.radians(self.options.extrinsics_error_deg),
                self._rng(_CALIBRATION),
            )
        )
        self._followed = None
        start = self._start_posture(self._rng(_START))
        self.scene.set_arm(start)
        mujoco.mj_forward(self.scene.model, self.scene.data)
        self._executor.reset(self.now_s, start)
        self._gripper.reset(MAX_WIDTH)
        self._push: BlockPush | None = None
        self._judge: TaskJudge | None = None
        for _ in range(SETTLING_STEPS):
            self._physics_step(self.now_s)
        self._now_ns = (self._now_ns // CLOCK_START_NS + 2) * CLOCK_START_NS
        self._executor.reset(self.now_s, start)
        self._recorder.clear()
        self._recorder.append(self.now_s, start)
        self._frames = 0
        self._judge = TaskJudge(self.scene, self.task)
        if self.options.push_block:
            self._push = BlockPush(self.scene, self.task.block, self._rng(_PUSH))

    @staticmethod
    def drawn_task(seed: int) -> Task:
        """The task that the scene of ``seed`` has unless another one is given."""
        rng = np.random.default_rng([_SCENE_SEEDS, seed, _TASK])
        return Task(int(rng.integers(BLOCK_COUNT)), int(rng.integers(ZONE_COUNT)))

    # --- time -----------------------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        """Present time [ns]."""
        return self._now_ns

    @property
    def now_s(self) -> float:
        """Present time [s]."""
        return self._now_ns * 1e-9

    def step(self) -> None:
        """One physics step of ``PHYSICS_PERIOD``."""
        self._now_ns += STEP_NS
        self._physics_step(self.now_s)
        assert self._judge is not None
        self._judge.observe()

    def advance(self, seconds: float) -> None:
        """As many physics steps as fit into ``seconds`` [s], rounded."""
        for _ in range(round(seconds / PHYSICS_PERIOD)):
            self.step()

    # --- what the cell's devices say ------------------------------------------------------------------------

    def joint_state(self) -> JointReading:
        """The robot's joints now."""
        data = self.scene.data
        positions = np.concatenate([data.qpos[self.scene.arm_qpos], data.qpos[self.scene.finger_qpos]])
        velocities = np.concatenate([data.qvel[self.scene.arm_dof], data.qvel[self._finger_dof]])
        return JointReading(self._now_ns, positions, velocities)

    def render(self) -> RgbdFrame:
        """What the camera sees now."""
        colour, exact = self.camera.render()
        rng = np.random.default_rng([_SCENE_SEEDS, self.seed, _DEPTH, self._frames])
        self._frames += 1
        measured = noisy_depth(exact, INTRINSICS.fx, self.options.depth_noise, rng)
        millimetres = np.minimum(np.rint(measured * MILLIMETRES_PER_METRE), LARGEST_DEPTH_MM)
        return RgbdFrame(self._now_ns, colour, millimetres.astype(np.uint16), INTRINSICS)

    @property
    def gripper_state(self) -> GripperState:
        """Opening and force of the gripper, and how its goal stands."""
        return self._gripper.state

    @property
    def gripper_busy(self) -> bool:
        """A gripper command is being carried out."""
        return self._gripper.busy

    # --- what one can tell them -----------------------------------------------------------------------------

    def command_trajectory(self, command: TrajectoryCommand, names: Sequence[str] | None = None) -> None:
        """Send the arm a trajectory; raises a ``CommandError`` and moves nothing where it is refused."""
        self._executor.submit(command, self.now_s, names)

    def follow(self, setpoint: JointState) -> None:
        """Take the arm to ``setpoint`` in the next step, and stay there: somebody else carries out the trajectories.

        It holds until the next reset.
        """
        self._followed = setpoint

    def command_gripper(self, goal: GripperGoal) -> None:
        """Send the gripper a goal; it replaces the one before."""
        self._gripper.command(goal)

    # --- for judges -----------------------------------------------------------------------------------------

    @property
    def arm_at_rest(self) -> bool:
        """Everything that the arm was told is done."""
        if self._followed is not None:
            return not self._followed.velocity.any()
        return self.now_s >= self._executor.end_s

    @property
    def block_pushed(self) -> bool:
        """The push that the options ask for is over."""
        return self._push is not None and self._push.done

    def task_outcome(self) -> TaskOutcome:
        """How the task stands."""
        assert self._judge is not None
        return self._judge.outcome()

    def command_record(self) -> CommandRecord:
        """The command stream that the arm has got since the reset."""
        return self._recorder.record()

    def close(self) -> None:
        """Release the camera's GL context."""
        self.camera.close()

    def _physics_step(self, time_s: float) -> None:
        """Bring the state to ``time_s``, one physics period on."""
        setpoint = self._followed or self._executor.setpoint(time_s)
        self._recorder.append(time_s, setpoint.position)
        self._arm.step(setpoint)
        self._gripper.step()
        if self._push is not None:
            self._push.step()
        mujoco.mj_step(self.scene.model, self.scene.data)

    def _start_posture(self, rng: np.random.Generator) -> FloatArray:
        while True:
            position = np.array([rng.uniform(*bounds) for bounds in START_REGION])
            yaw = rng.uniform(-START_YAW, START_YAW)
            joints, error = self._hand_ik.solve(position, downward_rotation(yaw))
            if error < START_IK_ERROR:
                return joints

    def _rng(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([_SCENE_SEEDS, self.seed, stream])
