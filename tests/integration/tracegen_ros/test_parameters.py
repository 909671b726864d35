"""Parameters are typed, described, bounded and read-only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter

from tracegen_ros.parameters import ParameterError, declare_parameters, parameter


@dataclass(frozen=True)
class LampParameters:
    power: float = parameter(40.0, "Power [W]", minimum=0.0, maximum=100.0)
    bulbs: int = parameter(2, "Number of bulbs [-]", minimum=1, maximum=8)
    colour: str = parameter("warm", "Colour of the light", choices=("warm", "cold"))
    on: bool = parameter(False, "Whether it shines")


@pytest.fixture(scope="module", autouse=True)
def ros() -> Iterator[None]:
    rclpy.init()
    yield
    rclpy.shutdown()


def lamp(*settings: str) -> tuple[Node, LampParameters]:
    arguments = [word for setting in settings for word in ("-p", setting)]
    node = Node("lamp", cli_args=["--ros-args", *arguments], start_parameter_services=False)
    return node, declare_parameters(node, LampParameters)


def test_defaults_hold_where_nothing_is_given() -> None:
    assert lamp()[1] == LampParameters()


def test_given_values_win() -> None:
    given = lamp("power:=60.5", "bulbs:=3", "colour:=cold", "on:=true")[1]
    assert given == LampParameters(power=60.5, bulbs=3, colour="cold", on=True)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("power:=101.0", r"'power' \(Power \[W\]\) must lie in \[0.0, 100.0\]"),
        ("bulbs:=0", r"'bulbs' .* must lie in \[1, 8\]"),
        ("power:=60", r"'power' .* must be a double, such as 40.0"),
        ("on:=perhaps", r"'on' .* must be a bool, such as False"),
        ("colour:=green", r"'colour' .* must be one of warm, cold, got 'green'"),
    ],
)
def test_a_wrong_value_is_refused_with_what_was_expected(setting: str, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        lamp(setting)


def test_every_parameter_describes_itself_and_is_read_only() -> None:
    node, _ = lamp()
    descriptor = node.describe_parameter("bulbs")
    assert descriptor.description == "Number of bulbs [-]"
    assert (descriptor.integer_range[0].from_value, descriptor.integer_range[0].to_value) == (1, 8)
    assert node.describe_parameter("colour").additional_constraints == "one of: warm, cold"
    result = node.set_parameters([Parameter("bulbs", value=4)])[0]
    assert not result.successful


def test_a_range_has_two_ends() -> None:
    with pytest.raises(ParameterError, match="two ends"):
        parameter(1, "Half a range", minimum=0)
