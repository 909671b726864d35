"""A copy of a checkpoint with noise on its weights: a model that is worse for sure."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np

from tracegen_model.network.checkpoint_config import CONFIG_FILE, WEIGHTS_FILE

LENGTH_BYTES = 8
"""A safetensors file begins with the length of its header."""


def write_worse_model(source: Path, folder: Path, noise: float, seed: int = 0) -> Path:
    """The checkpoint ``source`` in ``folder``, with ``noise`` times each tensor's deviation added to it."""
    shutil.copytree(source, folder)
    weights = folder / WEIGHTS_FILE
    content = bytearray(weights.read_bytes())
    start = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little")
    header = json.loads(content[LENGTH_BYTES:start])
    rng = np.random.default_rng(seed)
    for name, tensor in header.items():
        if name == "__metadata__" or tensor["dtype"] != "F32":
            continue
        first, last = (start + offset for offset in tensor["data_offsets"])
        values = np.frombuffer(bytes(content[first:last]), np.float32)
        shaken = values + noise * values.std() * rng.standard_normal(values.shape, dtype=np.float32)
        content[first:last] = shaken.astype(np.float32).tobytes()
    weights.write_bytes(content)
    config = json.loads((folder / CONFIG_FILE).read_text())
    config["sha256"][WEIGHTS_FILE] = hashlib.sha256(content).hexdigest()
    (folder / CONFIG_FILE).write_text(json.dumps(config))
    return folder
