"""``fci_emulator``: a robot for franky where there is none.

ros2 run fr3_driver fci_emulator --clock soft
python -m fr3_driver.emulator.command_line
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import signal
import sys
from collections.abc import Sequence

from fr3_driver.emulator.clock import ClockMode
from fr3_driver.emulator.emulator import Emulator, EmulatorConfig
from ik_controller.joint_limits import LimitsError
from ik_controller.resources import ResourceError

EXIT_OK = 0
EXIT_FAILED = 1

ROS_ARGUMENTS = "--ros-args"
"""What follows is for ROS nodes; launch adds it to every command line."""

_LOGGER = logging.getLogger("fci_emulator")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of ``ros2 run fr3_driver fci_emulator``."""
    default = EmulatorConfig()
    parser = argparse.ArgumentParser(
        prog="fci_emulator", description="Emulate the control interface of a Franka Research 3 with its hand."
    )
    parser.add_argument("--host", default=default.host, help="address to listen on")
    parser.add_argument(
        "--clock",
        type=ClockMode,
        choices=list(ClockMode),
        default=default.clock,
        help="realtime loses commands that come late, soft waits for them, lockstep runs as fast as they come",
    )
    parser.add_argument(
        "--lenient", action="store_true", help="record commands outside the limits, but go on"
    )
    parser.add_argument("--limits", default=default.limits, help="joint limits: a shipped set, or a file")
    parser.add_argument(
        "--control-port", type=int, default=default.control_port, help="UDP port for faults and figures"
    )
    parser.add_argument(
        "--fifo",
        type=int,
        default=0,
        help="real-time priority of the emulator itself, 0 = none (needs the right to)",
    )
    parser.add_argument("--verbose", action="store_true", help="log every request")
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = parser.parse_args(list(itertools.takewhile(lambda word: word != ROS_ARGUMENTS, words)))
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="[%(name)s] %(levelname)s %(message)s",
    )
    config = EmulatorConfig(
        options.host, options.clock, not options.lenient, options.limits, options.control_port
    )
    sys.exit(_run(config, options.fifo))


def _run(config: EmulatorConfig, priority: int) -> int:
    try:
        if priority:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
        emulator = Emulator(config)
    except (OSError, ValueError, LimitsError, ResourceError) as error:
        _LOGGER.error("%s", error)
        return EXIT_FAILED
    signal.signal(signal.SIGTERM, lambda *_: emulator.leave())
    signal.signal(signal.SIGINT, lambda *_: emulator.leave())
    _LOGGER.info("an FR3 listens on %s, clock %s", config.host, config.clock)
    try:
        emulator.run()
    finally:
        emulator.close()
    return EXIT_OK


if __name__ == "__main__":
    main()
