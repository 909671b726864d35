"""Solvers of inverse kinematics that take turns in ``ik_speed``: ours, pink and mink, each through its own interface.

All three get the same paths and start, iterate each waypoint until the same tolerances hold, keep the joint limits, and
draw the null space to the same posture. pink and mink weigh the posture as a task of small cost; with their gain of 1
and time step of 1 s each call is one full Gauss-Newton step, as ours is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import franky_sim
import mink
import mujoco
import numpy as np
import pink
import pinocchio as pin
from numpy.typing import NDArray

from ik_controller.collision_model import CollisionMargins
from ik_controller.inverse_kinematics import IkConfig, solve_path
from ik_controller.resources import resource_path
from ik_controller.robot_model import RobotModel

FloatArray = NDArray[np.float64]

POSTURE_COST = 1e-3
"""Weight of the posture beside that of the pose, in pink and mink."""

LM_DAMPING = 1e-6
"""Levenberg-Marquardt damping of pink and mink: nearly none, which is when they converge fastest."""

TIME_STEP_S = 1.0
"""With a gain of 1, a step of 1 s is the whole step."""


@dataclass(frozen=True)
class Task:
    """One path to solve.

    Attributes:
        start: (7,) joints that belong to the first waypoint [rad].
        positions: (K, 3) tool centre points [m, base frame].
        rotations: (K, 3, 3) orientations.
    """

    start: FloatArray
    positions: FloatArray
    rotations: FloatArray


Solver = Callable[[Task], FloatArray]
"""Joints (K, 7) [rad] of a path, fewer rows where it was given up."""


def ours(robot: RobotModel, margins: CollisionMargins | None, table_z: float | None) -> Solver:
    """This project's."""
    config = IkConfig(margins=margins)

    def solve(task: Task) -> FloatArray:
        return solve_path(robot, task.start, task.positions, task.rotations, config, table_z).joints

    return solve


def with_pink(robot: RobotModel, qp_solver: str) -> Solver:
    """pink on Pinocchio."""
    full = pin.buildModelFromUrdf(str(resource_path("fr3.urdf")))
    fingers = [full.getJointId(name) for name in full.names if "finger" in name]
    model = pin.buildReducedModel(full, fingers, pin.neutral(full))
    data = model.createData()
    hand = pink.tasks.FrameTask("fr3_hand_tcp", 1.0, 1.0, lm_damping=LM_DAMPING)
    posture = pink.tasks.PostureTask(POSTURE_COST)
    posture.set_target(robot.posture)
    config = IkConfig()

    def solve(task: Task) -> FloatArray:
        configuration = pink.Configuration(model, data, task.start)
        limits = (configuration.model.configuration_limit,)
        joints = []
        for position, rotation in zip(task.positions, task.rotations, strict=True):
            hand.set_target(pin.SE3(rotation, position))
            for _ in range(config.max_iterations):
                if _arrived(hand.compute_error(configuration), config):
                    break
                velocity = pink.solve_ik(
                    configuration, (hand, posture), TIME_STEP_S, qp_solver, limits=limits, safety_break=False
                )
                configuration.integrate_inplace(velocity, TIME_STEP_S)
            joints.append(configuration.q.copy())
        return np.array(joints)

    return solve


def with_mink(robot: RobotModel, qp_solver: str) -> Solver:
    """mink on MuJoCo."""
    model = _arm_in_mujoco(robot)
    hand = mink.FrameTask("tcp", "site", 1.0, 1.0, lm_damping=LM_DAMPING)
    posture = mink.PostureTask(model, POSTURE_COST)
    posture.set_target(robot.posture)
    limits = [mink.ConfigurationLimit(model)]
    configuration = mink.Configuration(model)
    config = IkConfig()

    def solve(task: Task) -> FloatArray:
        configuration.update(task.start)
        joints = []
        for position, rotation in zip(task.positions, task.rotations, strict=True):
            target = mink.SE3.from_rotation_and_translation(mink.SO3.from_matrix(rotation), position)
            hand.set_target(target)
            for _ in range(config.max_iterations):
                if _arrived(hand.compute_error(configuration), config):
                    break
                velocity = mink.solve_ik(
                    configuration, [hand, posture], TIME_STEP_S, qp_solver, limits=limits
                )
                configuration.integrate_inplace(velocity, TIME_STEP_S)
            joints.append(configuration.q.copy())
        return np.array(joints)

    return solve


def _arrived(error: FloatArray, config: IkConfig) -> bool:
    return bool(
        error[:3] @ error[:3] < config.position_tolerance**2
        and error[3:] @ error[3:] < config.rotation_tolerance**2
    )


def _arm_in_mujoco(robot: RobotModel) -> mujoco.MjModel:
    """The simulator's FR3 without its fingers, which would give mink two joints more to solve for."""
    assets = Path(franky_sim.__file__).parent / "assets"
    spec = mujoco.MjSpec.from_file(str(assets / "fr3.xml"))
    spec.meshdir = str(assets / "meshes")
    for element in (*spec.keys, *spec.actuators, *spec.tendons, *spec.equalities):
        spec.delete(element)
    for finger in ("left_finger", "right_finger"):
        spec.delete(spec.body(finger))
    spec.body("hand").add_site(name="tcp", pos=[0.0, 0.0, robot.hand.tcp_offset])
    return spec.compile()
