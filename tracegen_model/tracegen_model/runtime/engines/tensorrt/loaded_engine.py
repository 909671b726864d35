"""An engine on the GPU: deserialised, with memory to work in, its tensors bound by name."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tracegen_model.atomic_write import write_atomically
from tracegen_model.runtime.engines.engine import EngineError
from tracegen_model.runtime.engines.tensorrt.cuda_graph import CudaStream
from tracegen_model.runtime.engines.tensorrt.cuda_memory import DeviceMemory, DeviceTensor
from tracegen_model.runtime.engines.tensorrt.engine_cache import KERNELS_SUFFIX
from tracegen_model.runtime.engines.tensorrt.flavours import Flavour

logger = logging.getLogger(__name__)


class EngineLoader:
    """Loads engines of one library; they work one after the other, in the same memory.

    Args:
        flavour: The library.
        log: Its logger, see ``library_log``.
    """

    def __init__(self, flavour: Flavour, log: Any) -> None:
        self._flavour, self._log = flavour, log
        self._library = flavour.library()
        self._runtime = self._library.Runtime(log)
        self._loaded: list[LoadedEngine] = []

    def load(self, path: Path) -> LoadedEngine:
        """The engine in a file; raises EngineError when the GPU does not take it."""
        try:
            serialized = path.read_bytes()
        except OSError as error:
            raise EngineError(f"{path} could not be read: {error}") from error
        engine = self._runtime.deserialize_cuda_engine(serialized)
        if engine is None:
            raise EngineError(
                f"{path} could not be loaded: {'; '.join(self._log.errors) or 'no reason given'}"
            )
        loaded = LoadedEngine(self._library, self._log, engine, path, self._flavour.compiles_when_loaded)
        self._loaded.append(loaded)
        return loaded

    def share_memory(self, memory: DeviceMemory) -> None:
        """Give all that were loaded the memory that the largest of them needs."""
        size = max(engine.working_memory for engine in self._loaded)
        address = memory.allocate(size)
        for engine in self._loaded:
            engine.work_in(address, size)

    def close(self) -> None:
        """Let go of all engines; what they were given stays."""
        for engine in self._loaded:
            engine.close()
        self._loaded.clear()
        self._runtime = None


class LoadedEngine:
    """One engine, ready to be queued.

    Args:
        library: TensorRT.
        log: Its logger.
        engine: What it deserialised.
        path: Where the engine was read from, for messages, and to keep compiled kernels beside it.
        compiles: Whether it compiles kernels now, which are kept for the next time.

    Attributes:
        name: Of the engine, for people.
        inputs: Shape and type of its inputs by name, in order.
        outputs: Those of its outputs.
    """

    def __init__(self, library: Any, log: Any, engine: Any, path: Path, compiles: bool) -> None:
        self._log, self._engine = log, engine
        self.name = path.stem
        self._kernels = path.with_suffix(KERNELS_SUFFIX) if compiles else None
        self._kernel_cache: Any = None
        self._context = self._make_context(library)
        if self._context is None:
            raise EngineError(f"{self.name} cannot be run: {self._reasons()}")
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        kinds = {name: engine.get_tensor_mode(name) == library.TensorIOMode.INPUT for name in names}
        described = {
            name: (
                tuple(engine.get_tensor_shape(name)),
                np.dtype(library.nptype(engine.get_tensor_dtype(name))),
            )
            for name in names
        }
        self.inputs = {name: described[name] for name in names if kinds[name]}
        self.outputs = {name: described[name] for name in names if not kinds[name]}

    @property
    def working_memory(self) -> int:
        """Bytes of the GPU's memory that it needs while it works."""
        return int(self._engine.device_memory_size_v2)

    def work_in(self, address: int, size: int) -> None:
        """Use this memory from now on."""
        self._context.set_device_memory(address, size)

    def can_be_captured(self, stream: CudaStream) -> bool:
        """Whether a CUDA graph can hold its work; TensorRT, which is not asked, does so for fixed shapes."""
        asked = getattr(self._context, "is_stream_capturable", None)
        return True if asked is None else bool(asked(stream.handle))

    def queue(self, stream: CudaStream, tensors: Mapping[str, DeviceTensor]) -> None:
        """Queue its work on ``tensors``, which hold its inputs and outputs by name; raises EngineError."""
        for name in (*self.inputs, *self.outputs):
            if not self._context.set_tensor_address(name, tensors[name].address):
                raise EngineError(f"{self.name} does not take {name}: {self._reasons()}")
        if not self._context.execute_async_v3(stream.handle):
            raise EngineError(f"{self.name} broke: {self._reasons()}")

    def keep_kernels(self) -> None:
        """Store what was compiled for this GPU, so that the next start is fast."""
        if self._kernels is None or self._kernel_cache is None:
            return
        compiled = bytes(self._kernel_cache.serialize())
        try:
            if not self._kernels.is_file() or self._kernels.read_bytes() != compiled:
                write_atomically(self._kernels, compiled)
        except OSError as error:
            logger.warning("%s: compiled kernels are not kept: %s", self.name, error)

    def close(self) -> None:
        """Let go of the GPU's copy of its weights."""
        self._context = self._kernel_cache = self._engine = None

    def _make_context(self, library: Any) -> Any:
        # The memory to work in is given: TensorRT allocates none of its own, and engines can share it.
        given = library.ExecutionContextAllocationStrategy.USER_MANAGED
        if self._kernels is None:
            return self._engine.create_execution_context(given)
        settings = self._engine.create_runtime_config()
        settings.set_execution_context_allocation_strategy(given)
        self._kernel_cache = settings.create_runtime_cache()
        if self._kernels.is_file() and not self._kernel_cache.deserialize(self._kernels.read_bytes()):
            logger.info("%s: kernels of another GPU, driver or version; compiling them again", self.name)
        settings.set_runtime_cache(self._kernel_cache)
        return self._engine.create_execution_context(settings)

    def _reasons(self) -> str:
        return "; ".join(self._log.errors) or "no reason given"
