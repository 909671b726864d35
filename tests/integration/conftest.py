"""What integration tests stand on: a ROS node of their own, and processes that are ended with the test module.

Tests wait for what they expect to happen, never for time to pass; the deadline only ends a test that fails.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from tests.introduction import Introduction

from tracegen_ros.messages import Level, decode_diagnostics
from tracegen_ros.nodes.bring_up import bring_up

DEADLINE_S = 60.0

GOODBYE_S = 60.0
"""A process that was told to end and has not is ended the hard way after this [s]; it may have a bag to finish."""

# Camera images fit into Fast DDS's shared memory, as under the launch file; nodes that tests start inherit it.
PROFILES = Path(__file__).parents[2] / "launch" / "dds" / "fast_dds.xml"
os.environ.setdefault("FASTRTPS_DEFAULT_PROFILES_FILE", str(PROFILES))


class Tester:
    """A node that publishes, listens and waits."""

    def __init__(self) -> None:
        self.node = Node("tester")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._diagnostics: list[DiagnosticArray] = []
        self._leaving: list[Callable[[], None]] = []
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnostics.append, 100)

    def publisher(self, kind: type, topic: str, qos: QoSProfile | int) -> Publisher:
        """A publisher that somebody already listens to."""
        publisher = self.node.create_publisher(kind, topic, qos)
        self.wait(lambda: publisher.get_subscription_count() > 0, f"a subscriber of {topic}")
        return publisher

    def hear(self, kind: type, topic: str, qos: QoSProfile | int) -> list[Any]:
        """The list that messages of ``topic`` are appended to, once somebody publishes there."""
        heard: list[Any] = []
        subscription = self.node.create_subscription(kind, topic, heard.append, qos)
        self.wait(lambda: subscription.get_publisher_count() > 0, f"a publisher of {topic}")
        return heard

    def wait(self, happened: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> None:
        """Move messages until ``happened()`` is true."""
        ends_s = time.monotonic() + deadline_s
        while not happened():
            assert time.monotonic() < ends_s, f"waited {deadline_s:g} s in vain for {what}"
            self._executor.spin_once(timeout_sec=0.05)

    def spin_once(self) -> None:
        """Move what messages there are, or wait a moment for the next."""
        self._executor.spin_once(timeout_sec=0.02)

    def call(self, kind: type, service: str, request: Any) -> Any:
        """The answer of a service."""
        client = self.client(kind, service)
        future = client.call_async(request)
        self.wait(future.done, f"an answer of {service}")
        self.node.destroy_client(client)
        return future.result()

    def client(self, kind: type, service: str) -> Client:
        """A client that the service's node knows: no answer to it is lost."""
        client = self.node.create_client(kind, service)
        self.wait(client.service_is_ready, f"service {service}")
        server = service.rpartition("/")[0]
        introduction = Introduction(self.node, server)
        self.wait(introduction.is_done, f"an answer of {server}")
        introduction.close()
        return client

    def wait_for_health(self, name: str, level: Level | None, words: str) -> dict[str, str]:
        """The values of the next diagnostic called ``name`` that has ``level``, or any, and contains ``words``."""
        self._diagnostics.clear()
        found: list[dict[str, str]] = []
        seen: set[str] = set()

        def arrived() -> bool:
            for array in self._diagnostics:
                status = decode_diagnostics(array, name)
                if status is not None:
                    seen.add(f"{status[0].name}: {status[1]}")
                    if level in (None, status[0]) and words in status[1]:
                        found.append(status[2])
            self._diagnostics.clear()
            return bool(found)

        ends_s = time.monotonic() + DEADLINE_S
        while not arrived():
            assert time.monotonic() < ends_s, (
                f"waited in vain for {level.name if level else 'any'} {words!r} of {name}; heard {seen}"
            )
            self._executor.spin_once(timeout_sec=0.05)
        return found[-1]

    def activate(self, *names: str) -> None:
        """Configure and activate lifecycle nodes."""
        bring_up(self._executor, self.node, names, DEADLINE_S)

    def at_close(self, leave: Callable[[], None]) -> None:
        """Have ``leave`` called before the node goes: an action server outlives its node."""
        self._leaving.append(leave)

    def close(self) -> None:
        for leave in self._leaving:
            leave()
        self._executor.shutdown()
        self.node.destroy_node()


class Processes:
    """Processes that end with the tests that started them."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen] = []

    def python(self, script: Path | str, *arguments: str) -> subprocess.Popen:
        """Start a Python script, or a module given by name."""
        target = [str(script)] if isinstance(script, Path) else ["-m", script]
        return self._start([sys.executable, *target, *arguments])

    def node(self, module: str, **parameters: object) -> subprocess.Popen:
        """Start the node whose ``main`` is in ``module``."""
        settings = [word for name, value in parameters.items() for word in ("-p", f"{name}:={_yaml(value)}")]
        code = f"import {module} as node; node.main()"
        return self._start([sys.executable, "-c", code, "--ros-args", *settings])

    def end(self, process: subprocess.Popen) -> None:
        """End a process as Ctrl-C would."""
        self._end([process])

    def close(self) -> None:
        """End every process that still runs, all at once."""
        self._end(self._running)

    def _end(self, processes: Sequence[subprocess.Popen]) -> None:
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in processes:
            try:
                process.wait(GOODBYE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, command: list[str]) -> subprocess.Popen:
        process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
        self._running.append(process)
        return process


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.fixture(scope="module")
def tester() -> Iterator[Tester]:
    rclpy.init()
    tester = Tester()
    yield tester
    tester.close()
    rclpy.shutdown()


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    processes = Processes()
    yield processes
    processes.close()
