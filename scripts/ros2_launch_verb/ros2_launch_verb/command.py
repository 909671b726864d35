"""Command line of ``ros2 launch``: the arguments of the upstream verb that a launch file of any package needs."""

import sys
from argparse import REMAINDER, ArgumentParser, Namespace
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError
from launch.launch_introspector import LaunchIntrospector
from ros2cli.command import CommandExtension
from ros2pkg.api import package_name_completer

from ros2_launch_verb.launch_files import (
    LaunchFileError,
    describe_arguments,
    find_launch_file,
    find_launch_files,
    load,
    parse_launch_arguments,
    run,
)


def complete_launch_file(prefix: str, parsed_args: Namespace, **_: object) -> list[str]:
    """Shell completion of the second argument: launch files of the package named by the first."""
    try:
        return [
            path.name for path in find_launch_files(parsed_args.package_name) if path.name.startswith(prefix)
        ]
    except PackageNotFoundError:
        return []


class LaunchCommand(CommandExtension):
    """Run a launch file."""

    def add_arguments(self, parser: ArgumentParser, cli_name: str) -> None:
        """Declare the arguments of ``ros2 launch``."""
        parser.add_argument(
            "-n",
            "--noninteractive",
            action="store_true",
            help="Run the launch system non-interactively, with no terminal",
        )
        parser.add_argument("-d", "--debug", action="store_true", help="Put the launch system in debug mode")
        shown = parser.add_mutually_exclusive_group()
        shown.add_argument(
            "-p", "--print", "--print-description", action="store_true", help="Print the launch description"
        )
        shown.add_argument(
            "-s",
            "--show-args",
            "--show-arguments",
            action="store_true",
            help="Show the arguments of the file",
        )
        package = parser.add_argument(
            "package_name", help="Name of the ROS package, or path of a launch file"
        )
        package.completer = package_name_completer  # type: ignore[attr-defined]  # read by argcomplete
        file = parser.add_argument("launch_file_name", nargs="?", help="Name of the launch file")
        file.completer = complete_launch_file  # type: ignore[attr-defined]
        parser.add_argument(
            "launch_arguments", nargs=REMAINDER, help="Arguments of the launch file, as '<name>:=<value>'"
        )

    def main(self, *, parser: ArgumentParser, args: Namespace) -> int | str:
        """Run, print or describe the launch file; returns the exit code, or what went wrong."""
        # A path stands for package and file: what argparse took for the file name is its first argument.
        given = [
            argument for argument in (args.launch_file_name, *args.launch_arguments) if argument is not None
        ]
        try:
            if Path(args.package_name).is_file():
                path = Path(args.package_name)
            elif not given or ":=" in given[0]:
                return (
                    f"'{args.package_name}' is no launch file; expected: ros2 launch <package> <launch file>"
                )
            else:
                path = find_launch_file(args.package_name, given.pop(0))
            # Options may also follow the file, as with the upstream verb.
            options = {"-s": "show_args", "--show-args": "show_args", "--show-arguments": "show_args"}
            options |= {"-p": "print", "--print": "print", "--print-description": "print"}
            options |= {
                "-n": "noninteractive",
                "--noninteractive": "noninteractive",
                "-d": "debug",
                "--debug": "debug",
            }
            for option in [argument for argument in given if argument in options]:
                setattr(args, options[option], True)
                given.remove(option)
            arguments = parse_launch_arguments(given)
            if args.show_args:
                print(describe_arguments(load(path)))
                return 0
            if args.print:
                print(LaunchIntrospector().format_launch_description(load(path)))
                return 0
        except PackageNotFoundError as error:
            return f"Package '{args.package_name}' not found: {error}"
        except LaunchFileError as error:
            return str(error)
        return run(
            path, arguments, interactive=sys.stdin.isatty() and not args.noninteractive, debug=args.debug
        )
