"""A checkpoint's graphs for ONNX Runtime: which files, on which device, in which precision."""

from __future__ import annotations

from tracegen_model.runtime.engines.cache_folder import default_cache_folder
from tracegen_model.runtime.engines.engine import EngineDescription, EngineRequest
from tracegen_model.runtime.engines.onnx_kinds import CPU, CUDA, PROVIDERS, TENSORRT, library_version
from tracegen_model.runtime.engines.onnx_session import CPU_MEMORY, CUDA_MEMORY, OnnxDevice, OnnxGraph
from tracegen_model.runtime.engines.quantised_graphs import QuantisedGraphs
from tracegen_model.runtime.engines.verified_files import VerifiedFiles

TENSORRT_OPTIONS = {"bfloat16": "trt_bf16_enable", "float16": "trt_fp16_enable"}
"""Options that let ONNX Runtime's TensorRT compute in less than float32."""


class OnnxCheckpoint:
    """Opens the graphs of a checkpoint; every file is read once.

    Args:
        request: Which checkpoint, and how.
        engine: Name of the engine.
        precision: One that the engine offers.
    """

    def __init__(self, request: EngineRequest, engine: str, precision: str) -> None:
        self._files = VerifiedFiles(request.folder, request.config)
        self._quantised = QuantisedGraphs(request.config) if precision == "int8" else None
        self._device = _device(engine, precision, request.threads)
        self.on_cpu = engine == CPU
        where = f"CPU, threads: {request.threads}" if self.on_cpu else "the first GPU"
        self.description = EngineDescription(engine, where, precision, library_version())

    def open(self, name: str, **inputs: tuple[int | str, ...]) -> OnnxGraph:
        """A graph, ready to run.

        Args:
            name: Its file.
            inputs: Shapes that inputs must have; an axis whose size may vary has a name.

        Raises:
            CheckpointError: It is missing, damaged, or not of these sizes.
        """
        quantised = None if self._quantised is None else self._quantised.read(name)
        content, weights = self._files.graph(name) if quantised is None else (quantised, {})
        return OnnxGraph(self._files.path(name), content, weights, inputs, self._device)

    def weights_size(self, name: str) -> int:
        """Size of the files with a graph's weights, an upper bound of what the graph holds [bytes]."""
        return sum(len(file) for file in self._files.graph(name)[1].values())


def _device(engine: str, precision: str, threads: int) -> OnnxDevice:
    provider = PROVIDERS[engine]
    if engine == CUDA:
        options = {"use_tf32": str(int(precision == "tf32")), "cudnn_conv_algo_search": "HEURISTIC"}
        return OnnxDevice(provider, CUDA_MEMORY, options, threads)
    if engine == TENSORRT:
        kept = str(default_cache_folder() / engine)
        options = {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": kept,
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": kept,
        }
        options |= {TENSORRT_OPTIONS[precision]: "1"} if precision in TENSORRT_OPTIONS else {}
        return OnnxDevice(provider, CUDA_MEMORY, options, threads)
    return OnnxDevice(provider, CPU_MEMORY, {}, threads)
