"""What the node's parameters make of the motion core's settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ik_controller.follower import TraceFollower
from ik_controller.follower_config import FollowerConfig
from ik_controller.hand_motion import HandMotionMethod
from ik_controller.hand_orientation import OrientationFreedom
from ik_controller.nodes.follower_parameters import FollowerParameters
from ik_controller.robot_model import RobotModel
from tracegen_ros.parameters import ParameterError

UR5 = Path(__file__).parents[2] / "robots" / "ur5" / "ur5.yaml"


def test_the_defaults_are_the_core_s_own() -> None:
    core = FollowerConfig()
    config = FollowerParameters().follower_config()
    assert config.table_height == core.table_height, "to the last bit"
    assert replace(config, workspace=replace(config.workspace, table_height=None)) == core
    assert FollowerParameters().follower_config(RobotModel.fr3()) == config


def test_a_robot_s_file_alone_makes_it_another_robot() -> None:
    parameters = FollowerParameters(robot=str(UR5))
    robot = parameters.load_robot()
    assert robot.joint_names[0] == "shoulder_pan_joint" and robot.limits.name == "ur5"
    assert parameters.for_robot(robot).base_frame == "base_link"
    assert FollowerParameters(base_frame="left_base").for_robot(robot).base_frame == "left_base"
    config = parameters.follower_config(robot)
    assert config.gripper.open_width == robot.hand.max_width == 0.085
    TraceFollower(robot, config).enable(True)


def test_the_fr3_s_limits_and_base_are_those_of_its_description() -> None:
    parameters = FollowerParameters()
    robot = parameters.load_robot()
    assert (robot.name, robot.limits.name) == ("fr3", "fr3_rectangular")
    assert parameters.for_robot(robot).base_frame == "fr3_link0"
    assert FollowerParameters(limits="fr3_full").load_robot().limits.name == "fr3_full"


def test_another_table_is_another_box_and_another_height() -> None:
    parameters = FollowerParameters(
        workspace_lower=(0.2, -0.5, 0.112), workspace_upper=(0.9, 0.5, 0.8), table_height=0.1
    )
    config = parameters.follower_config()
    assert (config.workspace.lower, config.workspace.upper) == ((0.2, -0.5, 0.112), (0.9, 0.5, 0.8))
    assert config.table_height == 0.1


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"workspace_lower": (0.8, -0.4, 0.012)}, "workspace_lower and workspace_upper"),
        ({"workspace_upper": (0.75, float("nan"), 0.55)}, "finite"),
        ({"table_height": 0.05}, "table_height 0.05 m must not lie above"),
    ],
)
def test_a_workspace_that_is_none_is_refused_by_name(given: dict[str, object], complaint: str) -> None:
    with pytest.raises(ParameterError, match=complaint):
        FollowerParameters(**given).follower_config()


def test_at_five_per_cent_nothing_is_faster_than_that() -> None:
    core = FollowerConfig()
    slow = FollowerParameters(speed=0.05 * core.workspace.speed).follower_config()
    assert slow.workspace.speed == pytest.approx(0.015)
    assert slow.approach_speed == pytest.approx(0.015), "an approach is part of the motion too"
    assert slow.workspace.turning_speed == pytest.approx(0.05 * core.workspace.turning_speed)


def test_a_faster_hand_turns_and_approaches_no_faster() -> None:
    core = FollowerConfig()
    fast = FollowerParameters(speed=2.0 * core.workspace.speed).follower_config()
    assert fast.approach_speed == core.approach_speed
    assert fast.workspace.turning_speed == core.workspace.turning_speed


def test_reading_and_orientation_can_be_chosen() -> None:
    chosen = FollowerParameters(hand_motion="median-displacement", orientation="held").follower_config()
    assert chosen.hand_motion.method is HandMotionMethod.MEDIAN_DISPLACEMENT
    assert chosen.orientation is OrientationFreedom.HELD
