"""Images and sentences to the conditioning of the velocity, which stays on the GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracegen_model.runtime.engines.tensorrt.cuda_graph import CudaStream, RecordedWork
from tracegen_model.runtime.engines.tensorrt.cuda_memory import DeviceMemory, DeviceTensor, PinnedArrays
from tracegen_model.runtime.engines.tensorrt.loaded_engine import LoadedEngine
from tracegen_model.runtime.engines.tensorrt.network_inputs import Arrays


class FrameEncoder:
    """Runs the graphs of a sentence when it changes, and those of a frame each time.

    Args:
        cuda: The CUDA runtime.
        stream: Where to work.
        memory: Where tensors go.
        sentence: Engines that run once for each sentence, in order.
        frame: Engines that run once for each image, in order.
        sentence_inputs: A sentence's tensors.
        wanted: Tensors to bring back from the GPU, where the network has them.

    Attributes:
        tensors: All tensors of these engines, by name.
    """

    def __init__(
        self,
        cuda: Any,
        stream: CudaStream,
        memory: DeviceMemory,
        sentence: Sequence[LoadedEngine],
        frame: Sequence[LoadedEngine],
        sentence_inputs: Callable[[str], Arrays],
        wanted: Sequence[str],
    ) -> None:
        self._stream, self._sentence, self._frame = stream, sentence, frame
        self._sentence_inputs = sentence_inputs
        self._encoded: str | None = None
        self.tensors: dict[str, DeviceTensor] = {}
        for engine in (*sentence, *frame):
            for name, (shape, dtype) in (engine.inputs | engine.outputs).items():
                if name not in self.tensors:
                    self.tensors[name] = memory.tensor(shape, dtype)
        of_frame = _given(frame)
        self._for_frame = [
            name for name in of_frame if not any(name in engine.outputs for engine in sentence)
        ]
        self._for_sentence = _given(sentence)
        self._wanted = [name for name in wanted if name in self.tensors]
        names = (*self._for_sentence, *self._for_frame, *self._wanted)
        self._pinned = PinnedArrays(cuda, {name: self.tensors[name] for name in names})
        try:
            self._queue_sentence()
            capturable = all(engine.can_be_captured(stream) for engine in frame)
            self._work = RecordedWork(stream, self._queue_frame, capturable)
        except BaseException:
            self._pinned.close()
            raise

    def encode(self, image: Mapping[str, NDArray[Any]], sentence: str) -> Arrays:
        """Encode an image and a sentence; returns the tensors that are wanted back.

        Args:
            image: Its tensors; those that the network does not know are left.
            sentence: What to do.

        Raises:
            EngineError: The GPU failed.
        """
        arrays = self._pinned.arrays
        if sentence != self._encoded:
            self._encoded = None
            for name, value in self._sentence_inputs(sentence).items():
                np.copyto(arrays[name], value)
            self._queue_sentence()
        for name, value in image.items():
            if name in arrays:
                np.copyto(arrays[name], value)
        self._work.start()
        self._stream.wait()
        self._encoded = sentence
        return {name: arrays[name].copy() for name in self._wanted}

    def close(self) -> None:
        """Let go of recorded work and pinned memory."""
        self._work.close()
        self._pinned.close()

    def _queue_sentence(self) -> None:
        for name in self._for_sentence:
            self._stream.upload(self._pinned.arrays[name], self.tensors[name])
        for engine in self._sentence:
            engine.queue(self._stream, self.tensors)

    def _queue_frame(self) -> None:
        arrays = self._pinned.arrays
        for name in self._for_frame:
            self._stream.upload(arrays[name], self.tensors[name])
        for engine in self._frame:
            engine.queue(self._stream, self.tensors)
        for name in self._wanted:
            self._stream.download(self.tensors[name], arrays[name])


def _given(engines: Sequence[LoadedEngine]) -> list[str]:
    """Inputs of ``engines`` that none of them makes."""
    made = {name for engine in engines for name in engine.outputs}
    names = (name for engine in engines for name in engine.inputs)
    return [name for name in dict.fromkeys(names) if name not in made]
