"""Parameters of ``sim_node``: those fixed for its life, and those of the scene, which every reset reads again."""

from __future__ import annotations

from dataclasses import dataclass

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from fr3_sim.appearance import AppearanceDomain
from fr3_sim.layout import BLOCK_COUNT, ZONE_COUNT
from fr3_sim.simulation import SceneOptions
from fr3_sim.task import Task
from tracegen_ros.parameters import ParameterError, parameter

DRAWN = -1
"""Block or zone number that stands for "drawn from the seed"."""


@dataclass(frozen=True)
class SimParameters:
    """How the simulator runs."""

    lockstep: bool = parameter(
        False,
        "After each image, physics waits for a JointTrajectory stamped with the image's time or a later one",
    )
    camera_rate_hz: float = parameter(
        15.0, "Images per second of simulated time [Hz]", minimum=0.1, maximum=100.0
    )
    publish_camera: bool = parameter(True, "Render and publish images")
    real_time_factor: float = parameter(
        1.0,
        "Simulated seconds per second at most, 0 = as fast as possible; lockstep always is",
        minimum=0.0,
        maximum=100.0,
    )


@dataclass(frozen=True)
class SceneParameters:
    """What the next reset makes.

    Attributes:
        seed: Decides all that is random.
        task: Block and zone, None = drawn from the seed.
        options: How the scene differs from the nominal one.
        report_folder: Where reports write the recorded commands, empty = nowhere.
    """

    seed: int
    task: Task | None
    options: SceneOptions
    report_folder: str


def declare_scene_parameters(node: Node) -> None:
    """Declare the parameters that ``~/reset`` and ``~/report`` read whenever they are called."""
    domains = ", ".join(AppearanceDomain)
    _declare_integer(node, "seed", 0, 0, 2**31 - 1, "Seed of layout, task, start posture, look and errors")
    _declare_integer(
        node, "block", DRAWN, DRAWN, BLOCK_COUNT - 1, "Block to be moved, -1 = drawn from the seed"
    )
    _declare_integer(
        node, "zone", DRAWN, DRAWN, ZONE_COUNT - 1, "Zone to move it to, -1 = drawn from the seed"
    )
    _declare_float(node, "depth_noise", 0.0, 4.0, "Depth noise and holes: 0 = exact, 1 = a D435")
    _declare_float(node, "extrinsics_error_m", 0.0, 0.2, "Camera displaced from its calibration [m]")
    _declare_float(node, "extrinsics_error_deg", 0.0, 20.0, "Camera turned from its calibration [deg]")
    node.declare_parameter(
        "appearance",
        AppearanceDomain.NOMINAL.value,
        ParameterDescriptor(
            description="Where colours, texture and light come from",
            additional_constraints=f"one of: {domains}",
        ),
    )
    node.declare_parameter(
        "push_block",
        False,
        ParameterDescriptor(description="Push the block away while the hand is on its way to it"),
    )
    node.declare_parameter(
        "report_folder",
        "",
        ParameterDescriptor(
            description="Folder that reports write the recorded commands to, empty = nowhere"
        ),
    )


def read_scene_parameters(node: Node) -> SceneParameters:
    """The scene's parameters as they are now.

    Raises:
        ParameterError: A value is not among those allowed.
    """

    def value(name: str) -> bool | int | float | str:
        return node.get_parameter(name).value

    try:
        appearance = AppearanceDomain(value("appearance"))
    except ValueError as error:
        raise ParameterError(
            f"parameter 'appearance' must be one of {', '.join(AppearanceDomain)}, got {value('appearance')!r}"
        ) from error
    block, zone = value("block"), value("zone")
    if (block == DRAWN) != (zone == DRAWN):
        raise ParameterError(f"give both block and zone, or neither; got block={block}, zone={zone}")
    return SceneParameters(
        seed=value("seed"),
        task=None if block == DRAWN else Task(block, zone),
        options=SceneOptions(
            appearance=appearance,
            depth_noise=value("depth_noise"),
            extrinsics_error_m=value("extrinsics_error_m"),
            extrinsics_error_deg=value("extrinsics_error_deg"),
            push_block=value("push_block"),
        ),
        report_folder=value("report_folder"),
    )


def _declare_integer(node: Node, name: str, default: int, low: int, high: int, description: str) -> None:
    span = IntegerRange(from_value=low, to_value=high)
    node.declare_parameter(name, default, ParameterDescriptor(description=description, integer_range=[span]))


def _declare_float(node: Node, name: str, low: float, high: float, description: str) -> None:
    span = FloatingPointRange(from_value=low, to_value=high)
    node.declare_parameter(
        name, 0.0, ParameterDescriptor(description=description, floating_point_range=[span])
    )
