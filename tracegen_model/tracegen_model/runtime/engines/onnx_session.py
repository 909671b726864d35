"""Graphs opened by ONNX Runtime, on any of its devices, from memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tracegen_model.network.checkpoint_config import CheckpointError
from tracegen_model.runtime.engines.engine import EngineError, EngineUnavailable

CPU_MEMORY, CUDA_MEMORY = "cpu", "cuda"
"""Where results stay, in ONNX Runtime's words."""

FIRST_DEVICE = 0
"""The GPU that is used: the first one that CUDA shows to this process."""


@dataclass(frozen=True)
class OnnxDevice:
    """Where graphs run.

    Attributes:
        provider: ONNX Runtime's name of it; where it leaves out parts of a graph, the CPU runs them.
        memory: Where results stay.
        options: Options of the provider.
        threads: CPU threads of a graph.
    """

    provider: str
    memory: str = CPU_MEMORY
    options: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1


class OnnxGraph:
    """A graph that is ready to run. Its results stay on the device until they are read.

    Args:
        source: Where it was read from, for messages.
        content: The graph.
        weights: Files that hold its weights, by name.
        inputs: Shapes that inputs must have; an axis whose size may vary has a name.
        device: Where it runs.

    Raises:
        CheckpointError: ONNX Runtime cannot run it, or it is not of these sizes.
        EngineUnavailable: ONNX Runtime does not get at the device.
    """

    def __init__(
        self,
        source: Path,
        content: bytes,
        weights: Mapping[str, bytes],
        inputs: Mapping[str, tuple[int | str, ...]],
        device: OnnxDevice,
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = device.threads
        options.inter_op_num_threads = 1
        # Waiting threads must not spin: the simulator and the other nodes share these cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if weights:
            options.add_external_initializers_from_files_in_memory(
                list(weights), list(weights.values()), [len(file) for file in weights.values()]
            )
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=[(device.provider, dict(device.options))]
            )
        except Exception as error:  # ONNX Runtime's exceptions share no base class of its own.
            raise CheckpointError(f"{source} is not a graph that ONNX Runtime can run: {error}") from error
        used = self._session.get_providers()
        if device.provider not in used:
            raise EngineUnavailable(
                f"ONNX Runtime could not start its {device.provider} and took {', '.join(used)}; its log says why"
            )
        found = {entry.name: tuple(entry.shape) for entry in self._session.get_inputs()}
        for name, shape in inputs.items():
            if found.get(name) != shape:
                raise CheckpointError(
                    f"{source}: input {name} should be {shape} by config.json, found {found.get(name)}; export it again"
                )
        self._source = source
        self._memory = device.memory
        self._inputs = tuple(found)
        self._outputs = tuple(entry.name for entry in self._session.get_outputs())

    def run(self, given: Mapping[str, Any]) -> dict[str, onnxruntime.OrtValue]:
        """Results by name.

        Args:
            given: Arrays, or results of graphs of the same device, by name; those that the graph does not know are
                left out.

        Raises:
            EngineError: ONNX Runtime failed: out of memory, device lost.
        """
        binding = self._session.io_binding()
        try:
            for name in self._inputs:
                value = given[name]
                if isinstance(value, onnxruntime.OrtValue):
                    binding.bind_ortvalue_input(name, value)
                else:
                    binding.bind_cpu_input(name, np.ascontiguousarray(value))
            for name in self._outputs:
                binding.bind_output(name, self._memory, FIRST_DEVICE)
            self._session.run_with_iobinding(binding)
            return dict(zip(self._outputs, binding.get_outputs(), strict=True))
        except Exception as error:  # ONNX Runtime's exceptions share no base class of its own.
            raise EngineError(f"ONNX Runtime failed to run {self._source.name}: {error}") from error


def read_array(value: onnxruntime.OrtValue) -> NDArray[np.float32]:
    """A result brought to the CPU; raises EngineError when the device is lost."""
    try:
        return np.asarray(value.numpy(), np.float32)
    except Exception as error:  # ONNX Runtime's exceptions share no base class of its own.
        raise EngineError(f"ONNX Runtime failed to read a result: {error}") from error
