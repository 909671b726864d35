"""What the launch files share: processes that the launch cannot do without, and memory that images fit into."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext
from launch.actions import LogInfo, OpaqueFunction, SetEnvironmentVariable, TimerAction
from launch.events.process import ProcessExited
from launch.launch_description_entity import LaunchDescriptionEntity
from launch_ros.actions import Node

GRACE_S = 3.0
"""After a node died the others live on for this long [s], so that the arm comes to a smooth hold."""


_PROFILES_VARIABLE = "FASTRTPS_DEFAULT_PROFILES_FILE"


class LaunchError(RuntimeError):
    """Ends the launch with this message and exit code 1."""


def fail(message: str) -> OpaqueFunction:
    """An action that ends the launch with ``message`` and exit code 1."""

    def raise_error(_: LaunchContext) -> None:
        raise LaunchError(message)

    return OpaqueFunction(function=raise_error)


def required_node(
    package: str,
    executable: str,
    parameters: Mapping[str, object],
    *,
    name: str | None = None,
    parameter_files: tuple[str, ...] = (),
    arguments: tuple[str, ...] = (),
) -> Node:
    """A node without which the launch makes no sense: when it ends, the launch ends with exit code 1."""

    def on_exit(event: ProcessExited, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        if context.is_shutdown:
            return None
        message = (
            f"{name or executable} ended with exit code {event.returncode}; its own message above says why"
        )
        return [
            LogInfo(msg=f"{message}; shutting down"),
            TimerAction(period=GRACE_S, actions=[fail(message)]),
        ]

    return Node(
        package=package,
        executable=executable,
        name=name,
        parameters=[dict(parameters), *parameter_files],
        arguments=list(arguments),
        output="screen",
        on_exit=on_exit,
    )


def one_shot(
    package: str,
    executable: str,
    arguments: tuple[str, ...],
    then: list[LaunchDescriptionEntity],
    parameters: Mapping[str, object] | None = None,
    parameter_files: tuple[str, ...] = (),
) -> Node:
    """A command that ends by itself: ``then`` follows when it succeeded, otherwise the launch ends with exit code 1."""

    def on_exit(event: ProcessExited, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        if context.is_shutdown:
            return None
        if event.returncode != 0:
            return [
                fail(f"{executable} ended with exit code {event.returncode}; its own message above says why")
            ]
        return then

    return Node(
        package=package,
        executable=executable,
        parameters=[*([dict(parameters)] if parameters else []), *parameter_files],
        arguments=list(arguments),
        output="screen",
        on_exit=on_exit,
    )


def room_for_images() -> list[LaunchDescriptionEntity]:
    """Give Fast DDS shared memory that camera images fit into, unless the user has set profiles of his own."""
    if _PROFILES_VARIABLE in os.environ:
        return []
    profiles = Path(get_package_share_directory("tracegen_ros")) / "launch" / "dds" / "fast_dds.xml"
    return [SetEnvironmentVariable(_PROFILES_VARIABLE, str(profiles))]
