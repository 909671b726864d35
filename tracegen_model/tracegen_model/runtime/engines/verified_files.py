"""A checkpoint's files as they were when it was made: read once, into memory, and checked there."""

from __future__ import annotations

from pathlib import Path

from tracegen_model.network.checkpoint_config import CheckpointConfig


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
            CheckpointError: It is missing or altered, or it is a graph that an older version exported.
        """
        if name not in self._contents:
            self._contents[name] = self._config.read_file(self._folder, name)
        return self._contents[name]

    def graph(self, name: str) -> tuple[bytes, dict[str, bytes]]:
        """A graph and the files that hold its weights; raises CheckpointError like :meth:`read`."""
        return self.read(name), {weights: self.read(weights) for weights in self._config.graphs.get(name, ())}
