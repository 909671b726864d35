"""Importing pyrealsense2, which fails where the system library libusb is missing."""

from __future__ import annotations

import importlib

from realsense_camera.camera_state import LibraryMissingError


def require_library() -> None:
    """Make sure that pyrealsense2 can be imported; a failed attempt may be repeated after an installation.

    Raises:
        LibraryMissingError: It cannot; the message says what to install.
    """
    try:
        importlib.import_module("pyrealsense2")
    except ModuleNotFoundError as error:
        raise LibraryMissingError(
            f"the Python package pyrealsense2 is not installed ({error}); "
            "install it with 'make setup' or 'pip install pyrealsense2'"
        ) from error
    except ImportError as error:
        package = "libusb-1.0-0" if "libusb" in str(error) else "libusb-1.0-0 libudev1"
        raise LibraryMissingError(
            f"pyrealsense2 is installed but a system library is not ({error}); "
            f"install it with 'sudo apt-get install {package}'"
        ) from error
