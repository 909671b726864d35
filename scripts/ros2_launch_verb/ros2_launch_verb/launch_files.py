"""Launch files: where they are found, what they take, and how one is run."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchService
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource
from launch.utilities import perform_substitutions

LAUNCH_SUFFIXES = (".launch.py", ".launch.xml", ".launch.yaml", "launch.py", "launch.xml", "launch.yaml")


class LaunchFileError(RuntimeError):
    """A launch file that cannot be found, or an argument that cannot be read."""


def find_launch_files(package: str) -> list[Path]:
    """Launch files installed in the share folder of a package, sorted.

    Raises ``ament_index_python.packages.PackageNotFoundError`` for an unknown package.
    """
    share = Path(get_package_share_directory(package))
    return sorted(path for path in share.rglob("*") if path.is_file() and path.name.endswith(LAUNCH_SUFFIXES))


def find_launch_file(package: str, name: str) -> Path:
    """The launch file called ``name`` of a package; raises ``LaunchFileError`` unless there is exactly one."""
    available = find_launch_files(package)
    matches = [path for path in available if path.name == name]
    if len(matches) == 1:
        return matches[0]
    found = matches or available
    listing = "".join(f"\n  {path}" for path in found) or " none"
    problem = "more than one" if matches else "no"
    raise LaunchFileError(f"package '{package}' has {problem} launch file '{name}'; found:{listing}")


def parse_launch_arguments(arguments: list[str]) -> list[tuple[str, str]]:
    """``["name:=value", ...]`` as pairs, in order; raises ``LaunchFileError`` for anything else."""
    pairs: dict[str, str] = {}
    for argument in arguments:
        name, separator, value = argument.partition(":=")
        if not separator or not name:
            raise LaunchFileError(
                f"malformed launch argument '{argument}', expected format '<name>:=<value>'"
            )
        pairs[name] = value
    return list(pairs.items())


def load(path: Path) -> LaunchDescription:
    """The launch description a file describes, in any of ROS 2's three launch formats."""
    return AnyLaunchDescriptionSource(str(path)).get_launch_description(LaunchContext())


def describe_arguments(description: LaunchDescription) -> str:
    """The arguments of a launch description, as ``ros2 launch --show-args`` prints them."""
    lines = ["Arguments (pass arguments as '<name>:=<value>'):"]
    arguments: list[DeclareLaunchArgument] = description.get_launch_arguments()
    for argument in arguments:
        lines += ["", f"    '{argument.name}':", f"        {argument.description}"]
        if argument.choices is not None:
            lines.append(f"        Valid choices are: {argument.choices}")
        if argument.default_value is not None:
            lines.append(
                f"        (default: '{perform_substitutions(LaunchContext(), argument.default_value)}')"
            )
    if not arguments:
        lines += ["", "  No arguments."]
    return "\n".join(lines)


def run(path: Path, arguments: list[tuple[str, str]], *, interactive: bool, debug: bool) -> int:
    """Run a launch file until it ends or is interrupted; returns the exit code of the launch service."""
    service = LaunchService(
        argv=[f"{name}:={value}" for name, value in arguments], noninteractive=not interactive, debug=debug
    )
    service.include_launch_description(
        LaunchDescription(
            [IncludeLaunchDescription(AnyLaunchDescriptionSource(str(path)), launch_arguments=arguments)]
        )
    )
    return service.run()
