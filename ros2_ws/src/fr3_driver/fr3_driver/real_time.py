"""Whether this machine's kernel can keep the robot's millisecond, and what to do when it cannot."""

from __future__ import annotations

import ipaddress
import platform
from enum import StrEnum
from pathlib import Path

_REAL_TIME_FLAG = Path("/sys/kernel/realtime")


class RealTimePolicy(StrEnum):
    """Values of the parameter ``realtime``."""

    AUTO = "auto"
    ENFORCE = "enforce"
    IGNORE = "ignore"


class RealTimeError(RuntimeError):
    """The kernel cannot do what the policy asks for."""


def kernel_is_real_time(flag: Path = _REAL_TIME_FLAG) -> bool:
    """The running kernel is PREEMPT_RT, by the file that libfranka looks at as well."""
    try:
        return flag.read_text(encoding="ascii").strip() == "1"
    except OSError:
        return False


def enforces_real_time(policy: RealTimePolicy, fci_ip: str, flag: Path = _REAL_TIME_FLAG) -> bool:
    """Whether the connection is to insist on a real-time kernel; ``auto`` does unless the robot is an emulator here.

    Raises:
        RealTimeError: It is to insist, and the kernel is not a real-time one.
    """
    enforce = policy is RealTimePolicy.ENFORCE or (policy is RealTimePolicy.AUTO and not is_loopback(fci_ip))
    if enforce and not kernel_is_real_time(flag):
        raise RealTimeError(
            f"the kernel {platform.release()} is not a real-time one ({flag} is not 1). The robot wants an answer "
            "every millisecond and stops with communication_constraints_violation when too many come late. Install a "
            "kernel with PREEMPT_RT (Ubuntu Pro: 'pro enable realtime-kernel') and give your user rtprio 99 and "
            "memlock in /etc/security/limits.conf; or set realtime:=ignore to try without, slowly and with a hand on "
            "the stop button"
        )
    return enforce


def is_loopback(host: str) -> bool:
    """``host`` is this machine, where only an emulator can listen."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
