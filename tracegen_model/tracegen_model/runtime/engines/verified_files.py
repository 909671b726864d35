"""A checkpoint's files as they were when it was made: read once, into memory, and checked there."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tracegen_model.network.checkpoint_config import CONFIG_FILE, CheckpointConfig, CheckpointError


class VerifiedFiles:
    """Reads each file once; what replaces it on disk afterwards changes nothing.

    Args:
        folder: The checkpoint.
        config: Its config, with the files' digests.
    """

    def __init__(self, folder: Path, config: CheckpointConfig) -> None:
        self._folder = folder
        self._config = config
        self._contents: dict[str, bytes] = {}

    def path(self, name: str) -> Path:
        """Where the file was read from, for messages."""
        return self._folder / name

    def read(self, name: str) -> bytes:
        """Content of a file.

        Raises:
            CheckpointError: It is missing or altered, or config.json has no digest of it: another version exported it.
        """
        if name not in self._contents:
            self._contents[name] = self._read(name)
        return self._contents[name]

    def graph(self, name: str) -> tuple[bytes, dict[str, bytes]]:
        """A graph and the files that hold its weights; raises CheckpointError like :meth:`read`."""
        return self.read(name), {weights: self.read(weights) for weights in self._config.graphs.get(name, ())}

    def _read(self, name: str) -> bytes:
        expected = self._config.sha256.get(name)
        if expected is None:
            raise CheckpointError(
                f"{self._folder} has no {name} that this version runs; export it again: tracegen export {self._folder}"
            )
        try:
            content = self.path(name).read_bytes()
        except FileNotFoundError as error:
            raise CheckpointError(
                f"{self.path(name)} is missing; run `tracegen export` or fetch the checkpoint again"
            ) from error
        except OSError as error:
            raise CheckpointError(f"{self.path(name)} cannot be read: {error}") from error
        if hashlib.sha256(content).hexdigest() != expected:
            raise CheckpointError(
                f"{self.path(name)} is damaged: its SHA-256 is not that of {CONFIG_FILE}; fetch the checkpoint again"
            )
        return content
