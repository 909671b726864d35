"""What is known of how well engines agree with the network itself: measured by ``tracegen check-engine``, kept in the
engines' cache, asked by engines that choose their precision themselves.

A verdict holds for one checkpoint, engine, precision and version of the engine's library.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tracegen_model.atomic_write import write_atomically
from tracegen_model.network.checkpoint_config import ENCODERS_FILE, WEIGHTS_FILE, CheckpointConfig
from tracegen_model.runtime.engines.cache_folder import default_cache_folder

FOLDER = "accuracy"

KEY_LENGTH = 16
"""Hexadecimal digits of the digest that a file's name carries."""


@dataclass(frozen=True)
class Verdict:
    """Whether an engine's traces may stand for those of the network itself, and the figures that say so.

    Attributes:
        passed: They may.
        cosine: Smallest cosine similarity of a task's traces.
        difference_mm: Mean distance between the traces of moving points [mm].
        difference_share: The same, in shares of those points' motion.
        tasks: Images and sentences that were measured.
    """

    passed: bool
    cosine: float
    difference_mm: float
    difference_share: float
    tasks: int


class AccuracyRecord:
    """Verdicts on the engines of one checkpoint.

    Args:
        config: The checkpoint's config, with the digests of its tensors.
        cache: Folder of the engines' cache; None = the user's own.
    """

    def __init__(self, config: CheckpointConfig, cache: Path | None = None) -> None:
        self._folder = (cache or default_cache_folder()) / FOLDER
        self._tensors = [config.sha256.get(name) for name in (WEIGHTS_FILE, ENCODERS_FILE)]

    def write(self, engine: str, precision: str, version: str, verdict: Verdict) -> None:
        """Remember ``verdict`` on ``precision`` of ``engine``, whose library has ``version``."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(engine, precision, version)
        about = {"engine": engine, "precision": precision, "version": version}
        write_atomically(path, json.dumps({**about, **dataclasses.asdict(verdict)}, indent=2) + "\n")

    def has_passed(self, engine: str, precision: str, version: str) -> bool:
        """Whether there is a verdict, and a good one; what cannot be read is none."""
        try:
            values = json.loads(self._path(engine, precision, version).read_text(encoding="utf-8"))
            return values["passed"] is True
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def best(self, engine: str, version: str, candidates: Sequence[str], default: str) -> str:
        """The first of ``candidates`` that has passed, else ``default``."""
        passed = (precision for precision in candidates if self.has_passed(engine, precision, version))
        return next(passed, default)

    def _path(self, engine: str, precision: str, version: str) -> Path:
        key = json.dumps([self._tensors, engine, precision, version])
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:KEY_LENGTH]}.json"
