"""Where everything is kept that engines make once: engines of TensorRT, quantised graphs, verdicts on precisions."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "TRACEGEN_ENGINE_CACHE"
"""Environment variable that names the folder."""


def default_cache_folder() -> Path:
    """The folder unless someone says otherwise, after the XDG base directory specification."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tracegen" / "engines"
