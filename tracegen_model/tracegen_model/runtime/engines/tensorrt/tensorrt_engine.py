"""The network on an NVIDIA GPU by TensorRT.

One stream, and memory that is allocated once. An image goes up, its conditioning stays on the GPU; noise goes up, every
step of the plan runs there, traces come down. Both are recorded once as CUDA graphs and then started as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.network.nano.graph_files import QUERY_POINTS
from tracegen_model.runtime.engines.engine import (
    EngineCondition,
    EngineDescription,
    EngineError,
    EngineRequest,
)
from tracegen_model.runtime.engines.tensorrt.checkpoint_engines import COMBINATION, network_stages
from tracegen_model.runtime.engines.tensorrt.cuda_graph import CudaStream
from tracegen_model.runtime.engines.tensorrt.cuda_memory import DeviceMemory
from tracegen_model.runtime.engines.tensorrt.cuda_runtime import cuda_library, use_device
from tracegen_model.runtime.engines.tensorrt.device_sampler import DeviceSampler
from tracegen_model.runtime.engines.tensorrt.flavours import Flavour
from tracegen_model.runtime.engines.tensorrt.frame_encoder import FrameEncoder
from tracegen_model.runtime.engines.tensorrt.library_log import library_log
from tracegen_model.runtime.engines.tensorrt.loaded_engine import EngineLoader
from tracegen_model.runtime.engines.tensorrt.network_inputs import image_inputs, sentence_inputs


class TensorrtEngine:
    """Runs the engines of a checkpoint; when it is made, everything has run once.

    Args:
        flavour: The library.
        request: What it is loaded for.
        description: What it says of itself.
        files: Engines by graph and ``COMBINATION``.

    Raises:
        EngineUnavailable: The library or CUDA for Python is not installed.
        EngineError: The GPU failed, for example because it is out of memory.
        CheckpointError: The checkpoint's tokeniser is missing or damaged.
    """

    def __init__(
        self,
        flavour: Flavour,
        request: EngineRequest,
        description: EngineDescription,
        files: Mapping[str, Path],
    ) -> None:
        self._description = description
        self._broken: EngineError | None = None
        stages = network_stages(request.config)
        words = sentence_inputs(request.folder, request.config)
        cuda = cuda_library()
        use_device(cuda)
        with ExitStack() as owned:
            stream = CudaStream(cuda)
            owned.callback(stream.close)
            memory = DeviceMemory(cuda)
            owned.callback(memory.close)
            loader = EngineLoader(flavour, library_log(flavour.library()))
            owned.callback(loader.close)
            engines = {name: loader.load(path) for name, path in files.items()}
            loader.share_memory(memory)
            self._encoder = FrameEncoder(
                cuda,
                stream,
                memory,
                [engines[name] for name in stages.sentence],
                [engines[name] for name in stages.frame],
                words,
                (QUERY_POINTS,),
            )
            owned.callback(self._encoder.close)
            self._sampler = DeviceSampler(
                cuda,
                stream,
                engines[stages.velocity],
                engines[COMBINATION],
                [engines[name] for name in stages.time],
                self._encoder.tensors,
            )
            owned.callback(self._sampler.close)
            self._sampler.prepare(request.plan)
            for engine in engines.values():
                engine.keep_kernels()
            self._cuda = cuda
            self._owned = owned.pop_all()

    @property
    def description(self) -> EngineDescription:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        return self._description

    def condition(
        self, colour: NDArray[np.uint8], depth: NDArray[np.float32], instruction: str
    ) -> EngineCondition:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        with self._working():
            found = self._encoder.encode(image_inputs(colour, depth), instruction)
        query_points = found.get(QUERY_POINTS)
        # The conditioning itself stays on the GPU, where the next one takes its place.
        return EngineCondition(None, None if query_points is None else query_points[0])

    def sample(
        self, state: NDArray[np.float32], condition: EngineCondition, plan: SamplingPlan
    ) -> NDArray[np.float32]:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        with self._working():
            return self._sampler.sample(state, plan)

    def close(self) -> None:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        self._broken = self._broken or EngineError(f"engine {self._description.name} is closed")
        self._owned.close()

    @contextmanager
    def _working(self) -> Iterator[None]:
        """What breaks once is not used again: after an error, CUDA may have lost the GPU for this process."""
        if self._broken is not None:
            raise EngineError(f"load the engine again: {self._broken}")
        use_device(self._cuda)  # CUDA keeps the choice for each thread.
        try:
            yield
        except EngineError as error:
            self._broken = error
            raise
