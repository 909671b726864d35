"""A camera that stalls, is unplugged, hangs or never was there: named states, and it comes back by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from tests.unit.realsense_camera.controlled_source import DEADLINE_S, SETTINGS, ControlledSource

from realsense_camera.camera_session import CameraSession
from realsense_camera.camera_settings import CameraSettings, StreamProfile
from realsense_camera.camera_state import CameraHealth, CameraState
from realsense_camera.camera_supervisor import CameraSupervisor, Patience
from realsense_camera.rgbd_frame import RgbdFrame

QUICK = Patience(stall_s=0.1, restart_s=30.0, retry_s=0.02, library_s=DEADLINE_S)
FEED_PERIOD_S = 0.02


class Watched:
    """A supervisor whose doings a test waits for."""

    def __init__(self, open_session: Callable[[], CameraSession], patience: Patience = QUICK) -> None:
        self._changed = threading.Condition()
        self.history: list[CameraHealth] = []
        self.frames: list[RgbdFrame] = []
        self.supervisor = CameraSupervisor(
            open_session, lambda _: None, self._deliver, self._on_change, patience
        )

    def _deliver(self, frame: RgbdFrame, arrival_s: float) -> None:
        with self._changed:
            self.frames.append(frame)
            self._changed.notify_all()

    def _on_change(self, health: CameraHealth) -> None:
        with self._changed:
            self.history.append(health)
            self._changed.notify_all()

    @property
    def states(self) -> list[CameraState]:
        return [health.state for health in self.history]

    def wait(self, happened: Callable[[], bool], feed: ControlledSource | None = None) -> None:
        """Until it happened, feeding the camera meanwhile."""
        with self._changed:
            for _ in range(round(DEADLINE_S / FEED_PERIOD_S)):
                if self._changed.wait_for(happened, FEED_PERIOD_S):
                    return
                if feed is not None:
                    self._changed.release()
                    try:
                        feed.push()
                    finally:
                        self._changed.acquire()
        raise AssertionError(f"waited in vain; states so far: {[str(health) for health in self.history]}")

    def wait_for(self, state: CameraState, feed: ControlledSource | None = None) -> CameraHealth:
        """Until the present state is ``state``."""
        self.wait(lambda: bool(self.history) and self.history[-1].state is state, feed)
        return self.history[-1]


@pytest.fixture
def source() -> ControlledSource:
    return ControlledSource()


@pytest.fixture
def camera(source: ControlledSource) -> Iterator[Watched]:
    watched = Watched(lambda: CameraSession(source, SETTINGS))
    yield watched
    watched.supervisor.stop()


def test_frames_are_delivered_once_the_camera_streams(source: ControlledSource) -> None:
    camera = Watched(lambda: CameraSession(source, SETTINGS), Patience(stall_s=DEADLINE_S))
    assert camera.supervisor.health.state is CameraState.CONFIGURED
    camera.supervisor.start()
    camera.wait(lambda: len(camera.frames) >= 5, feed=source)
    assert camera.states == [CameraState.STARTING, CameraState.STREAMING]
    assert camera.supervisor.stop()
    assert camera.states[-1] is CameraState.CONFIGURED
    assert not source.streaming


def test_a_stall_is_named_and_ends_when_frames_come_again(camera: Watched, source: ControlledSource) -> None:
    camera.supervisor.start()
    camera.wait_for(CameraState.STREAMING, feed=source)
    stall = camera.wait_for(CameraState.STALLED)
    assert "connected but has sent no pair of images for" in stall.reason
    camera.wait_for(CameraState.STREAMING, feed=source)
    assert camera.supervisor.opened == 1


def test_a_long_stall_is_answered_by_starting_the_camera_anew(source: ControlledSource) -> None:
    patience = Patience(stall_s=0.1, restart_s=0.25, retry_s=0.02, library_s=DEADLINE_S)
    camera = Watched(lambda: CameraSession(source, SETTINGS), patience)
    camera.supervisor.start()
    camera.wait_for(CameraState.STREAMING, feed=source)
    camera.wait(lambda: camera.supervisor.opened >= 2)
    camera.wait_for(CameraState.STREAMING, feed=source)
    camera.supervisor.stop()
    assert CameraState.STALLED in camera.states


def test_a_camera_that_is_unplugged_is_taken_up_again_when_it_is_back(
    camera: Watched, source: ControlledSource
) -> None:
    camera.supervisor.start()
    camera.wait_for(CameraState.STREAMING, feed=source)
    source.plugged_in = False
    camera.wait_for(CameraState.UNPLUGGED)
    first_device = source.camera
    frames = len(camera.frames)
    source.plugged_in = True
    camera.wait_for(CameraState.STREAMING, feed=source)
    camera.wait(lambda: len(camera.frames) > frames + 3, feed=source)
    assert source.camera is not first_device
    assert camera.supervisor.opened == 2


def test_a_camera_that_is_not_there_is_waited_for(camera: Watched, source: ControlledSource) -> None:
    source.plugged_in = False
    camera.supervisor.start()
    assert camera.wait_for(CameraState.UNPLUGGED).reason == "no camera is plugged in"
    source.plugged_in = True
    camera.wait_for(CameraState.STREAMING, feed=source)


def test_a_wrong_profile_is_named_until_a_camera_comes_that_offers_it(source: ControlledSource) -> None:
    larger = StreamProfile(320, 240, 30)
    wanted = CameraSettings(colour=larger, depth=larger)
    camera = Watched(lambda: CameraSession(source, wanted))
    camera.supervisor.start()
    assert "it offers 160x120x30" in camera.wait_for(CameraState.WRONG_PROFILE).reason
    source.offered = wanted
    camera.wait_for(CameraState.STREAMING, feed=source)
    camera.supervisor.stop()


def test_an_unexpected_error_is_reported_and_tried_again(source: ControlledSource) -> None:
    attempts = []

    def open_session() -> CameraSession:
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError("bus error")
        return CameraSession(source, SETTINGS)

    camera = Watched(open_session)
    camera.supervisor.start()
    # For a moment only: it is tried again at once.
    camera.wait(lambda: CameraState.FAILED in camera.states)
    failed = next(health for health in camera.history if health.state is CameraState.FAILED)
    assert failed.reason == "OSError: bus error"
    camera.wait_for(CameraState.STREAMING, feed=source)
    camera.supervisor.stop()
    assert len(attempts) == 3


def test_a_library_that_does_not_return_is_reported_and_holds_up_nobody() -> None:
    released, entered = threading.Event(), threading.Event()

    def hang() -> CameraSession:
        entered.set()
        released.wait(DEADLINE_S)
        raise OSError("released")

    camera = Watched(hang, Patience(library_s=0.05))
    camera.supervisor.start()
    assert entered.wait(DEADLINE_S)
    stopped = camera.supervisor.stop()
    health = camera.supervisor.health
    released.set()
    assert not stopped
    assert health.state is CameraState.STALLED
    assert "the library has been busy opening the camera" in health.reason
