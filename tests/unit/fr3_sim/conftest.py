"""One compiled scene and one camera for all tests of the simulator: compiling the FR3's meshes takes a second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fr3_sim.camera import RgbdCamera
from fr3_sim.hand_ik import HandIk
from fr3_sim.scene import TabletopScene


@pytest.fixture(scope="session")
def scene() -> TabletopScene:
    return TabletopScene()


@pytest.fixture(scope="session")
def camera(scene: TabletopScene) -> Iterator[RgbdCamera]:
    camera = RgbdCamera(scene)
    yield camera
    camera.close()


@pytest.fixture(scope="session")
def hand_ik(scene: TabletopScene) -> HandIk:
    return HandIk(scene)
