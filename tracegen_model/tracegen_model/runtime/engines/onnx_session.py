"""A checkpoint's graphs opened by ONNX Runtime: on the CPU, or on CUDA where the installed runtime has it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnxruntime

from tracegen_model.network.checkpoint_config import CheckpointConfig, CheckpointError

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
"""Where to run, best first."""


def open_graph(
    folder: Path,
    config: CheckpointConfig,
    name: str,
    threads: int,
    inputs: Mapping[str, tuple[int | str, ...]],
) -> onnxruntime.InferenceSession:
    """A graph of a checkpoint, ready to run.

    Args:
        folder: The checkpoint.
        config: Its config.
        name: The graph's file.
        threads: Threads of the graph.
        inputs: Shapes that inputs must have; an axis whose size may vary has a name.

    Raises:
        CheckpointError: The graph is missing, damaged, or not of these sizes.
    """
    path = config.verify_file(folder, name)
    for weights in config.graphs.get(name, ()):
        config.verify_file(folder, weights)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Waiting threads must not spin: the simulator and the other nodes share these cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    available = onnxruntime.get_available_providers()
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=[provider for provider in PROVIDERS if provider in available]
        )
    except Exception as error:  # ONNX Runtime's exceptions share no base class of its own.
        raise CheckpointError(f"{path} is not a graph that ONNX Runtime can run: {error}") from error
    found = {entry.name: tuple(entry.shape) for entry in session.get_inputs()}
    for entry, shape in inputs.items():
        if found.get(entry) != shape:
            raise CheckpointError(
                f"{path}: input {entry} should be {shape} by config.json, found {found.get(entry)}; export it again"
            )
    return session
