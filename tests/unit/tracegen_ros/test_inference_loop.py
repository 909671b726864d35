"""The inference thread: newest frame, newest instruction, no queue."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tracegen_model.camera import CameraIntrinsics
from tracegen_ros.frame_pairing import FramePair
from tracegen_ros.inference_loop import InferenceLoop

INTRINSICS = CameraIntrinsics(1.0, 1.0, 0.0, 0.0, 1, 1)
DEADLINE_S = 60.0


class Network:
    """Stands in for the model: waits for permission, then answers with stamp and instruction."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.delivered = threading.Semaphore(0)
        self.results: list[tuple[int, str]] = []
        self.loop: InferenceLoop[str, tuple[int, str]] = InferenceLoop(self.infer, self.deliver, 0)
        self.loop.set_intrinsics(INTRINSICS)
        self.loop.start()

    def infer(
        self, pair: FramePair[str, str], intrinsics: CameraIntrinsics, instruction: str
    ) -> tuple[int, str]:
        self.began.release()
        self.may_end.acquire()
        return pair.stamp_ns, instruction

    def deliver(self, result: tuple[int, str]) -> None:
        self.results.append(result)
        self.delivered.release()

    def frame(self, stamp_ns: int) -> None:
        self.loop.add_colour(stamp_ns, "colour")
        self.loop.add_depth(stamp_ns, "depth")


@pytest.fixture
def network() -> Iterator[Network]:
    network = Network()
    yield network
    network.may_end.release(100)
    network.loop.stop()


def test_a_frame_waits_for_its_instruction(network: Network) -> None:
    network.frame(1)
    network.loop.set_instruction("go")
    network.may_end.release()
    assert network.delivered.acquire(timeout=DEADLINE_S)
    assert network.results == [(1, "go")]


def test_frames_that_come_during_inference_are_skipped_but_for_the_newest(network: Network) -> None:
    network.loop.set_instruction("go")
    network.frame(1)
    assert network.began.acquire(timeout=DEADLINE_S)
    for stamp in (2, 3, 4):
        network.frame(stamp)
    network.may_end.release(2)
    for _ in range(2):
        assert network.delivered.acquire(timeout=DEADLINE_S)
    assert network.results == [(1, "go"), (4, "go")]
    assert network.loop.frames_dropped == 2


def test_a_result_of_a_replaced_instruction_is_thrown_away_and_its_frame_used_again(network: Network) -> None:
    network.loop.set_instruction("old")
    network.frame(1)
    assert network.began.acquire(timeout=DEADLINE_S)
    network.loop.set_instruction("new")
    network.may_end.release(2)
    assert network.delivered.acquire(timeout=DEADLINE_S)
    assert network.results == [(1, "new")]


def test_an_empty_instruction_throws_the_result_away_and_stops(network: Network) -> None:
    network.loop.set_instruction("go")
    network.frame(1)
    assert network.began.acquire(timeout=DEADLINE_S)
    network.loop.set_instruction("")
    network.may_end.release()
    network.loop.stop()
    assert network.results == []
    assert network.loop.instruction == ""


def test_how_long_an_inference_runs_is_seen_from_outside(network: Network) -> None:
    assert network.loop.busy_s == 0.0
    network.loop.set_instruction("go")
    network.frame(1)
    assert network.began.acquire(timeout=DEADLINE_S)
    before_s = network.loop.busy_s
    assert 0.0 < before_s < network.loop.busy_s
    network.may_end.release()
    assert network.delivered.acquire(timeout=DEADLINE_S)
    assert network.loop.busy_s == 0.0


def test_stopping_does_not_wait_for_an_inference_that_hangs(network: Network) -> None:
    network.loop.set_instruction("go")
    network.frame(1)
    assert network.began.acquire(timeout=DEADLINE_S)
    network.loop.stop(timeout_s=0.01)
    assert not network.loop.ended
    network.may_end.release()
    network.loop.stop()
    assert network.loop.ended
    assert network.results == []
