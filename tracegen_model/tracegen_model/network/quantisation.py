"""Graphs with their matrix products in int8, for ONNX Runtime on the CPU. Needs the package onnx, not torch.

Weights are rounded to int8 beforehand, channel by channel; the tokens that they are multiplied with are rounded when
they are known, tensor by tensor ("dynamic quantisation"). Everything else stays float32: products of tokens with
tokens; those of single vectors, such as the modulation, which take no time and carry far into the result; and the last
one, whose rounding would go straight into the traces.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

from tracegen_model.network.checkpoint_config import SAMPLER_FILE, VELOCITY_FILE, CheckpointConfig
from tracegen_model.network.checkpoint_graphs import sampler_of, typed_graph
from tracegen_model.network.half_precision import FLOAT32

OF_TOKENS = "MatMul"
"""Operator of products of tokens (samples, tokens, width) with weights."""

OF_VECTORS = "Gemm"
"""Operator of products of a single vector with weights."""


def quantised_graphs(folder: Path, config: CheckpointConfig) -> dict[str, bytes]:
    """The graphs that run at every step, in int8, by their files; they hold their weights themselves.

    The encoders stay as they are: they lose more by rounding, and most of their time is spent on convolutions.

    Args:
        folder: An exported checkpoint.
        config: Its config; files are checked against its digests.

    Raises:
        CheckpointError: A graph or its weights are missing or altered.
    """
    velocity = _quantised(folder, typed_graph(folder, config, VELOCITY_FILE, FLOAT32))
    sampler = sampler_of(velocity, folder, config.network, config.default_plan)
    return {
        VELOCITY_FILE: velocity.SerializeToString(),
        SAMPLER_FILE: sampler.SerializeToString(),
    }


def _quantised(folder: Path, graph: onnx.ModelProto) -> onnx.ModelProto:
    """``graph``, whose weights are in files in ``folder``, in int8."""
    onnx.load_external_data_for_model(graph, str(folder))
    with tempfile.TemporaryDirectory(prefix="quantise-") as work:
        whole, prepared, quantised = (Path(work) / f"{stage}.onnx" for stage in ("whole", "prepared", "int8"))
        onnx.save(graph, whole)
        # Weights are stored as torch has them; here they are turned round, or they would not count as constant.
        quant_pre_process(str(whole), str(prepared), skip_symbolic_shape=True)
        nodes = onnx.load(prepared, load_external_data=False).graph.node
        vectors = [node.name for node in nodes if node.op_type == OF_VECTORS]
        last = next(node.name for node in reversed(nodes) if node.op_type == OF_TOKENS)
        with _without_remarks():
            quantize_dynamic(
                prepared,
                quantised,
                op_types_to_quantize=[OF_TOKENS],
                nodes_to_exclude=[last, *vectors, *(f"{name}_{OF_TOKENS}" for name in vectors)],
                per_channel=True,
                weight_type=QuantType.QInt8,
                extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
            )
        return onnx.load(quantised)


@contextmanager
def _without_remarks() -> Iterator[None]:
    """The quantiser tells the root logger of every tensor that it leaves alone."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
