"""The robot as its server describes it to a client: a small URDF, which stands for libfranka's model library."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ik_controller.joint_limits import JointLimits

_RIGHT_ANGLE = np.pi / 2

FLANGE_HEIGHT = 0.107
"""From joint 7 to the flange along its axis [m]."""

TORQUE_LIMITS = np.array([87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0])
"""Greatest joint torques [Nm] (Franka documentation)."""


@dataclass(frozen=True)
class ArmLink:
    """One joint and the link it turns; numbers of the manufacturer's robot description.

    Attributes:
        origin: Joint in the frame of the link before [m].
        roll: Turn about x from that frame to the joint's [rad].
        mass: [kg]
        centre: Centre of mass [m].
        inertia: Principal moments xx, yy, zz at the centre of mass [kg m²]; products are left out.
    """

    origin: tuple[float, float, float]
    roll: float
    mass: float
    centre: tuple[float, float, float]
    inertia: tuple[float, float, float]


LINKS = (
    ArmLink((0, 0, 0.333), 0.0, 2.927, (0.0, -0.01813, -0.03860), (0.02393, 0.02248, 0.00635)),
    ArmLink((0, 0, 0), -_RIGHT_ANGLE, 2.936, (0.00318, -0.07432, 0.00881), (0.04194, 0.02515, 0.06170)),
    ArmLink((0, -0.316, 0), _RIGHT_ANGLE, 2.245, (0.04070, -0.00482, -0.02897), (0.02410, 0.01974, 0.01900)),
    ArmLink((0.0825, 0, 0), _RIGHT_ANGLE, 2.616, (-0.04591, 0.06305, -0.00852), (0.03453, 0.02881, 0.04125)),
    ArmLink(
        (-0.0825, 0.384, 0), -_RIGHT_ANGLE, 2.327, (-0.0016, 0.0293, -0.0973), (0.05161, 0.04788, 0.01636)
    ),
    ArmLink((0, 0, 0), _RIGHT_ANGLE, 1.817, (0.05971, -0.04103, -0.01017), (0.00541, 0.01405, 0.01588)),
    ArmLink((0.088, 0, 0), _RIGHT_ANGLE, 0.627, (0.00452, 0.00863, -0.01616), (0.00021, 0.00018, 0.00006)),
)


def arm_urdf(limits: JointLimits) -> str:
    """URDF text of the arm up to the flange ``link8``, with the limits that libfranka reads from it.

    Args:
        limits: A set with position-dependent velocities; libfranka refuses a robot without them.
    """
    if limits.velocity_offset is None or limits.deceleration is None:
        raise ValueError(f"limits '{limits.name}' have no position-dependent velocities; take fr3_full")
    parts = ['<?xml version="1.0"?>', '<robot name="fr3">', '<link name="link0"/>']
    for index, link in enumerate(LINKS):
        ixx, iyy, izz = link.inertia
        parts.append(
            f'<link name="link{index + 1}"><inertial><origin xyz="{_numbers(link.centre)}"/>'
            f'<mass value="{link.mass}"/>'
            f'<inertia ixx="{ixx}" iyy="{iyy}" izz="{izz}" ixy="0" ixz="0" iyz="0"/></inertial></link>'
            f'<joint name="joint{index + 1}" type="revolute">'
            f'<parent link="link{index}"/><child link="link{index + 1}"/>'
            f'<origin xyz="{_numbers(link.origin)}" rpy="{link.roll!r} 0 0"/><axis xyz="0 0 1"/>'
            f'<limit lower="{limits.position_lower[index]}" upper="{limits.position_upper[index]}" '
            f'velocity="{limits.velocity[index]}" effort="{TORQUE_LIMITS[index]}"/>'
            f'<position_based_velocity_limits velocity_offset="{limits.velocity_offset[index]}" '
            f'deceleration_limit="{limits.deceleration[index]}"/></joint>'
        )
    parts.append(
        '<link name="link8"/><joint name="joint8" type="fixed"><parent link="link7"/><child link="link8"/>'
        f'<origin xyz="0 0 {FLANGE_HEIGHT}"/></joint></robot>'
    )
    return "\n".join(parts)


def _numbers(values: tuple[float, float, float]) -> str:
    return " ".join(str(value) for value in values)
