"""Node parameters declared as a dataclass: type, default, description and range in one place per node.

    @dataclass(frozen=True)
    class CameraParameters:
        rate_hz: float = parameter(15.0, "Frames per second", minimum=1.0, maximum=90.0)

    parameters = declare_parameters(node, CameraParameters)

The values are read once and are read-only afterwards: a changed parameter takes effect when the node is started again,
and ``ros2 param set`` says so. ``ros2 param describe`` shows everything written here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, get_type_hints

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

_METADATA = "ros_parameter"
_TYPES = {
    bool: "a bool",
    int: "an integer",
    float: "a double",
    str: "a string",
    tuple[float, ...]: "a list of doubles",
}


class ParameterError(ValueError):
    """A parameter has a value of the wrong type or outside its range."""


@dataclasses.dataclass(frozen=True)
class _Rule:
    description: str
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]


def parameter(
    default: bool | int | float | str | tuple[float, ...],
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] = (),
) -> Any:
    """A dataclass field that is a node parameter.

    Args:
        default: Value when none is given; its field's annotation is the type: bool, int, float, str, or
            ``tuple[float, ...]`` for a list of doubles, which has as many as the default and no range.
        description: One sentence with the unit in brackets.
        minimum: Smallest value allowed; goes with ``maximum``.
        maximum: Largest value allowed.
        choices: The strings allowed; any if empty.
    """
    if (minimum is None) != (maximum is None):
        raise ParameterError(f"a range has two ends, got minimum={minimum}, maximum={maximum}")
    rule = _Rule(description, minimum, maximum, tuple(choices))
    return dataclasses.field(default=default, metadata={_METADATA: rule})


def declare_parameters[Declaration](node: Node, declaration: type[Declaration]) -> Declaration:
    """Declare every field of ``declaration`` on ``node`` and return the values in force.

    Raises:
        ParameterError: A value that was given has another type, is outside the range or not among the choices.
    """
    types = get_type_hints(declaration)
    values = {
        field.name: _declare(node, field.name, types[field.name], field.default, field.metadata[_METADATA])
        for field in dataclasses.fields(declaration)  # type: ignore[arg-type]
    }
    return declaration(**values)


def _declare(node: Node, name: str, value_type: type, default: Any, rule: _Rule) -> Any:
    is_list = isinstance(default, tuple)
    try:
        value = node.declare_parameter(
            name, list(default) if is_list else default, _descriptor(value_type, rule)
        ).value
    except InvalidParameterTypeException as error:
        raise ParameterError(
            f"parameter {name!r} ({rule.description}) must be {_TYPES[value_type]}, such as {default!r}: {error}"
        ) from error
    except InvalidParameterValueException as error:
        raise ParameterError(
            f"parameter {name!r} ({rule.description}) must lie in [{rule.minimum}, {rule.maximum}]: {error}"
        ) from error
    if is_list:
        value = tuple(value)
        if len(value) != len(default):
            raise ParameterError(
                f"parameter {name!r} ({rule.description}) must have {len(default)} numbers, got {len(value)}"
            )
    if rule.choices and value not in rule.choices:
        raise ParameterError(
            f"parameter {name!r} ({rule.description}) must be one of {', '.join(rule.choices)}, got {value!r}"
        )
    return value


def _descriptor(value_type: type, rule: _Rule) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=rule.description, read_only=True)
    if rule.choices:
        descriptor.additional_constraints = f"one of: {', '.join(rule.choices)}"
    if rule.minimum is not None and rule.maximum is not None:
        if value_type is int:
            descriptor.integer_range = [
                IntegerRange(from_value=int(rule.minimum), to_value=int(rule.maximum))
            ]
        else:
            span = FloatingPointRange(from_value=float(rule.minimum), to_value=float(rule.maximum))
            descriptor.floating_point_range = [span]
    return descriptor
