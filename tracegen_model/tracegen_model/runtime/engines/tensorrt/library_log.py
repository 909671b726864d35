"""What TensorRT says while it works: to Python's logging, and the last errors to whoever has to explain a failure."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

logger = logging.getLogger(__name__)

REMEMBERED_ERRORS = 3
"""Errors that a failure is explained with."""

ENGINE_INFORMATION = ("Layers:\n", "Engine Layer Information:\n")
"""How the builder's account of a finished engine begins, in TensorRT for RTX and in TensorRT."""

NO_GPU_FOUND = "catchCudaError"
"""Part of what TensorRT for RTX says each time it looks for a GPU and finds none; building needs none."""

REMINDER = "Make sure input"
"""Begins a warning about the type of each integer input, which is read from the engine here."""


def library_log(library: Any, builds_without_gpu: bool = False) -> Any:
    """A logger for objects of ``library``.

    It has two attributes of its own: ``errors``, the latest messages, and ``engine_information``, the builder's list
    of layers and bindings of the engine built last.

    Args:
        library: ``tensorrt`` or ``tensorrt_rtx``.
        builds_without_gpu: Whether a missing GPU is no error.
    """
    kinds = library.ILogger
    levels = {
        kinds.INTERNAL_ERROR: logging.ERROR,
        kinds.ERROR: logging.ERROR,
        kinds.WARNING: logging.WARNING,
        kinds.INFO: logging.DEBUG,
        kinds.VERBOSE: logging.NOTSET,
    }

    class LibraryLog(library.ILogger):
        def __init__(self) -> None:
            super().__init__()
            self.errors: deque[str] = deque(maxlen=REMEMBERED_ERRORS)
            self.engine_information = ""

        def log(self, severity: Any, message: str) -> None:
            level = levels[severity]
            if message.startswith(ENGINE_INFORMATION):
                self.engine_information = message
            elif (builds_without_gpu and NO_GPU_FOUND in message) or REMINDER in message:
                return
            elif level >= logging.ERROR:
                self.errors.append(message)
                logger.debug("%s", message)  # The exception that follows says it.
            elif level:
                logger.log(level, "%s", message)

    return LibraryLog()
