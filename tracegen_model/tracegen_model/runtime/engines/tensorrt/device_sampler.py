"""Noise to traces: every step of a plan on the GPU, recorded once and started as a whole."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.runtime.engines.tensorrt.checkpoint_engines import MOST_TERMS, STATE
from tracegen_model.runtime.engines.tensorrt.cuda_graph import CudaStream, RecordedWork
from tracegen_model.runtime.engines.tensorrt.cuda_memory import DeviceMemory, DeviceTensor, PinnedArrays
from tracegen_model.runtime.engines.tensorrt.loaded_engine import LoadedEngine
from tracegen_model.runtime.engines.tensorrt.sampling_program import (
    INITIAL_STATE,
    Combine,
    Evaluate,
    SamplingProgram,
)

REMEMBERED_PLANS = 8
"""Plans whose recorded work is kept; the least recently used one goes when another comes."""

TIME, VELOCITY, TRACES = "time", "velocity", "traces"
"""Names of tensors."""


@dataclass(frozen=True)
class _PreparedPlan:
    memory: DeviceMemory
    work: RecordedWork

    def close(self) -> None:
        self.work.close()
        self.memory.close()


class DeviceSampler:
    """Runs sampling plans, K samples at a time.

    Args:
        cuda: The CUDA runtime.
        stream: Where to work.
        velocity: The engine that is evaluated at each time of a plan.
        combination: The engine that adds up ``MOST_TERMS`` tensors.
        time: Engines that run once for each time, when a plan is prepared, in order.
        condition: Tensors that the velocity takes beside the state and what depends on the time.
    """

    def __init__(
        self,
        cuda: Any,
        stream: CudaStream,
        velocity: LoadedEngine,
        combination: LoadedEngine,
        time: Sequence[LoadedEngine],
        condition: Mapping[str, DeviceTensor],
    ) -> None:
        self._cuda, self._stream = cuda, stream
        self._velocity, self._combination, self._time = velocity, combination, time
        self._condition = {name: condition[name] for name in velocity.inputs if name in condition}
        self._shape, self._dtype = velocity.inputs[STATE]
        like = DeviceTensor(0, self._shape, self._dtype)
        self._pinned = PinnedArrays(cuda, {STATE: like, TRACES: like})
        self._prepared: OrderedDict[SamplingPlan, _PreparedPlan] = OrderedDict()

    def sample(self, states: NDArray[np.float32], plan: SamplingPlan) -> NDArray[np.float32]:
        """Traces (N, points, horizon, 3) of as many states, K at a time; the last ones share their run with old ones.

        Raises:
            EngineError: The GPU failed.
        """
        work = self.prepare(plan)
        given, made = self._pinned.arrays[STATE], self._pinned.arrays[TRACES]
        traces = np.empty_like(states)
        together = self._shape[0]
        for first in range(0, len(states), together):
            part = states[first : first + together]
            given[: len(part)] = part
            work.start()
            self._stream.wait()
            traces[first : first + len(part)] = made[: len(part)]
        return traces

    def prepare(self, plan: SamplingPlan) -> RecordedWork:
        """What runs a plan; recorded when it is first asked for."""
        if plan not in self._prepared:
            while len(self._prepared) >= REMEMBERED_PLANS:
                self._prepared.popitem(last=False)[1].close()
            memory = DeviceMemory(self._cuda)
            try:
                self._prepared[plan] = _PreparedPlan(memory, self._record(plan, memory))
            except BaseException:
                memory.close()
                raise
        self._prepared.move_to_end(plan)
        return self._prepared[plan].work

    def close(self) -> None:
        """Let go of recorded work and pinned memory."""
        for prepared in self._prepared.values():
            prepared.close()
        self._prepared.clear()
        self._pinned.close()

    def _record(self, plan: SamplingPlan, memory: DeviceMemory) -> RecordedWork:
        program = SamplingProgram.of(plan, MOST_TERMS)
        registers = memory.tensors(program.registers, self._shape, self._dtype)
        steps = self._evaluations(program, registers, memory) | self._combinations(program, registers, memory)
        engines = [self._velocity, self._combination]
        given, made = self._pinned.arrays[STATE], self._pinned.arrays[TRACES]

        def queue() -> None:
            self._stream.upload(given, registers[INITIAL_STATE])
            for index in range(len(program.instructions)):
                engine, tensors = steps[index]
                engine.queue(self._stream, tensors)
            self._stream.download(registers[program.result], made)

        return RecordedWork(
            self._stream, queue, all(engine.can_be_captured(self._stream) for engine in engines)
        )

    def _evaluations(
        self, program: SamplingProgram, registers: Sequence[DeviceTensor], memory: DeviceMemory
    ) -> dict[int, tuple[LoadedEngine, dict[str, DeviceTensor]]]:
        """Engine and tensors of each evaluation, by its place in the program; what depends on the time is computed."""
        found = {
            index: entry for index, entry in enumerate(program.instructions) if isinstance(entry, Evaluate)
        }
        times = np.array([[entry.time] for entry in found.values()], np.float32)
        rows: list[dict[str, DeviceTensor]] = [{TIME: tensor} for tensor in self._stored(times, memory)]
        for engine in self._time:
            for name, (shape, dtype) in engine.outputs.items():
                for row, tensor in zip(rows, memory.tensors(len(rows), shape, dtype), strict=True):
                    row[name] = tensor
            for row in rows:
                engine.queue(self._stream, row)
        self._stream.wait()
        return {
            index: (
                self._velocity,
                {**self._condition, **row, STATE: registers[entry.state], VELOCITY: registers[entry.target]},
            )
            for (index, entry), row in zip(found.items(), rows, strict=True)
        }

    def _combinations(
        self, program: SamplingProgram, registers: Sequence[DeviceTensor], memory: DeviceMemory
    ) -> dict[int, tuple[LoadedEngine, dict[str, DeviceTensor]]]:
        """Engine and tensors of each sum, by its place in the program."""
        found = {
            index: entry for index, entry in enumerate(program.instructions) if isinstance(entry, Combine)
        }
        # A sum of fewer terms takes its first one again, times zero.
        padded = [
            (*entry.terms, *((entry.terms[0][0], 0.0),) * (MOST_TERMS - len(entry.terms)))
            for entry in found.values()
        ]
        shape, dtype = self._combination.inputs["factors"]
        factors = np.array([[factor for _, factor in terms] for terms in padded], dtype)
        stored = self._stored(factors.reshape(len(padded), *shape), memory)
        return {
            index: (
                self._combination,
                {
                    "factors": tensor,
                    "sum": registers[entry.target],
                    **{f"term_{place}": registers[register] for place, (register, _) in enumerate(terms)},
                },
            )
            for (index, entry), terms, tensor in zip(found.items(), padded, stored, strict=True)
        }

    def _stored(self, values: NDArray[Any], memory: DeviceMemory) -> list[DeviceTensor]:
        """Each row of ``values`` (N, ...) as a tensor on the GPU."""
        tensors = memory.tensors(len(values), values.shape[1:], values.dtype)
        pinned = PinnedArrays(self._cuda, {"values": DeviceTensor(0, values.shape, values.dtype)})
        try:
            np.copyto(pinned.arrays["values"], values)
            for row, tensor in zip(pinned.arrays["values"], tensors, strict=True):
                self._stream.upload(row, tensor)
            self._stream.wait()
        finally:
            pinned.close()
        return tensors
