"""Counting frames, and a library that is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.unit.realsense_camera.controlled_source import SETTINGS, next_frame

from realsense_camera.camera_session import CameraSession
from realsense_camera.camera_settings import CameraSettings
from realsense_camera.software_camera import SoftwareSource
from realsense_camera.stream_statistics import FrameCounter

ASK_FOR_THE_LIBRARY = """
import sys
from pathlib import Path
from realsense_camera.camera_state import LibraryMissingError
from realsense_camera.library import require_library
try:
    require_library()
except LibraryMissingError as error:
    print(error)
Path(sys.argv[1]).unlink()
require_library()
print("there now")
"""


def test_gaps_in_the_running_numbers_are_lost_frames() -> None:
    counter = FrameCounter()
    for number in (5, 6, 9, 10):
        counter.add(number)
    assert (counter.received, counter.dropped) == (4, 2)


def test_a_camera_that_starts_anew_has_lost_nothing() -> None:
    counter = FrameCounter()
    counter.add(100)
    counter.restart()
    for number in (200, 201, 1, 2):
        counter.add(number)
    assert counter.dropped == 0


def test_a_missing_libusb_is_named_with_the_command_that_installs_it_and_found_once_it_is_there(
    tmp_path: Path,
) -> None:
    broken = tmp_path / "libusb-1.0.so.0"
    broken.write_text("no library")
    path = f"{tmp_path}:{os.environ.get('LD_LIBRARY_PATH', '')}"
    said = subprocess.run(
        [sys.executable, "-c", ASK_FOR_THE_LIBRARY, str(broken)],
        env={**os.environ, "LD_LIBRARY_PATH": path},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "libusb-1.0.so.0" in said
    assert "install it with 'sudo apt-get install libusb-1.0-0'" in said
    assert said.endswith("there now\n")


def test_the_software_source_shows_a_box_before_a_wall() -> None:
    session = CameraSession(SoftwareSource(SETTINGS), SETTINGS)
    first, second = next_frame(session), next_frame(session)
    session.close()
    assert set((first.depth_m[60] * 1e3).round()) >= {600.0, 900.0}
    assert second.colour_number > first.colour_number
    assert second.camera_time_s > first.camera_time_s


def test_the_default_settings_are_vga_at_thirty_hertz() -> None:
    assert str(CameraSettings().colour) == str(CameraSettings().depth) == "640x480x30"
