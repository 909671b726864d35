"""What the launch files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from launch import LaunchContext

from tracegen_ros.launching import room_for_images

VARIABLE = "FASTRTPS_DEFAULT_PROFILES_FILE"


def test_nodes_get_shared_memory_that_images_fit_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    context = LaunchContext()
    for action in room_for_images():
        action.visit(context)
    assert "segment_size" in Path(os.environ[VARIABLE]).read_text(encoding="utf-8")


def test_a_users_own_profiles_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "own.xml")
    assert room_for_images() == []
