"""A stream of the GPU's work, and work that is recorded once and then started as a whole."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from tracegen_model.runtime.engines.tensorrt.cuda_memory import DeviceTensor
from tracegen_model.runtime.engines.tensorrt.cuda_runtime import CudaError, call

logger = logging.getLogger(__name__)


class CudaStream:
    """Work for the GPU, done in the order in which it is queued.

    Args:
        cuda: The CUDA runtime.

    Attributes:
        handle: What TensorRT takes.
    """

    def __init__(self, cuda: Any) -> None:
        self._cuda = cuda
        # Not ordered after the default stream: that one cannot be captured, and others may use it.
        self._stream = call(cuda, "cudaStreamCreateWithFlags", cuda.cudaStreamNonBlocking)
        self.handle = int(self._stream)

    def upload(self, source: NDArray[Any], target: DeviceTensor) -> None:
        """Queue a copy from pinned memory of the host to the GPU."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        call(
            self._cuda,
            "cudaMemcpyAsync",
            target.address,
            source.ctypes.data,
            target.nbytes,
            kind,
            self._stream,
        )

    def download(self, source: DeviceTensor, target: NDArray[Any]) -> None:
        """Queue a copy from the GPU to pinned memory of the host."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        call(
            self._cuda,
            "cudaMemcpyAsync",
            target.ctypes.data,
            source.address,
            source.nbytes,
            kind,
            self._stream,
        )

    def wait(self) -> None:
        """Until everything that was queued is done; raises CudaError if any of it failed."""
        call(self._cuda, "cudaStreamSynchronize", self._stream)

    def capture(self, queue: Callable[[], None]) -> CudaGraph:
        """Record what ``queue`` queues, without doing it."""
        cuda = self._cuda
        mode = cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        call(cuda, "cudaStreamBeginCapture", self._stream, mode)
        try:
            queue()
        except BaseException:
            self._discard_capture()
            raise
        return CudaGraph(cuda, self._stream, call(cuda, "cudaStreamEndCapture", self._stream))

    def close(self) -> None:
        """Let go of it."""
        if self._stream is not None:
            _release(self._cuda, "cudaStreamDestroy", self._stream)
            self._stream = None

    def _discard_capture(self) -> None:
        code, graph = self._cuda.cudaStreamEndCapture(self._stream)
        if code == self._cuda.cudaError_t.cudaSuccess:
            _release(self._cuda, "cudaGraphDestroy", graph)


class CudaGraph:
    """Recorded work. It refers to the memory that was given while it was recorded.

    Args:
        cuda: The CUDA runtime.
        stream: Where to start it.
        graph: What was captured; it is destroyed.
    """

    def __init__(self, cuda: Any, stream: Any, graph: Any) -> None:
        self._cuda, self._stream = cuda, stream
        try:
            self._executable = call(cuda, "cudaGraphInstantiate", graph, 0)
        finally:
            _release(cuda, "cudaGraphDestroy", graph)

    def launch(self) -> None:
        """Queue all of it."""
        call(self._cuda, "cudaGraphLaunch", self._executable, self._stream)

    def close(self) -> None:
        """Let go of it."""
        if self._executable is not None:
            _release(self._cuda, "cudaGraphExecDestroy", self._executable)
            self._executable = None


class RecordedWork:
    """Work that is done again and again, on the same memory.

    It is done once to begin with: libraries settle, and compile what they have to, before they are recorded.

    Args:
        stream: Where it is queued.
        queue: Queues it.
        can_be_captured: Whether a CUDA graph can hold it; else it is queued each time anew.
    """

    def __init__(self, stream: CudaStream, queue: Callable[[], None], can_be_captured: bool) -> None:
        queue()
        stream.wait()
        self._queue = queue
        self._graph = stream.capture(queue) if can_be_captured else None
        if self._graph is None:
            logger.warning("TensorRT's work cannot be recorded as a CUDA graph; it is queued each time anew")

    def start(self) -> None:
        """Queue all of it."""
        if self._graph is None:
            self._queue()
        else:
            self._graph.launch()

    def close(self) -> None:
        """Let go of the recording."""
        if self._graph is not None:
            self._graph.close()


def _release(cuda: Any, name: str, handle: Any) -> None:
    try:
        call(cuda, name, handle)
    except CudaError:
        # A GPU that failed reports that failure from every later call. There is nothing left to release.
        return
