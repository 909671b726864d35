"""A ROS domain that no other run of this repository on this machine uses, for as long as it is needed."""

from __future__ import annotations

import fcntl
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DOMAINS = range(1, 102)
"""Free of the ports that Linux hands out by itself; 0 is everybody's default."""


class NoDomainError(RuntimeError):
    """All domains are taken."""


@contextmanager
def own_domain() -> Iterator[int]:
    """A domain that is locked as ``scripts/with_own_domain.sh`` does, until the end of the ``with`` block."""
    for domain in random.sample(DOMAINS, len(DOMAINS)):
        with (Path(tempfile.gettempdir()) / f"tracegen_ros_domain_{domain}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield domain
            return
    raise NoDomainError(
        f"all ROS domains from {DOMAINS[0]} to {DOMAINS[-1]} are in use by runs of this repository"
    )
