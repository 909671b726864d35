"""Compiled engines are loaded and inspected where a GPU is, and refused with the reason where none is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.runtime import find_checkpoint
from tracegen_model.runtime.engines import EngineError
from tracegen_model.runtime.engines.tensorrt.checkpoint_engines import CheckpointEngines
from tracegen_model.runtime.engines.tensorrt.cuda_runtime import find_gpu
from tracegen_model.runtime.engines.tensorrt.engine_cache import EngineCache
from tracegen_model.runtime.engines.tensorrt.flavours import FLAVOURS, TENSORRT_RTX
from tracegen_model.runtime.engines.tensorrt.kinds import why_unavailable
from tracegen_model.runtime.engines.tensorrt.library_log import library_log
from tracegen_model.runtime.engines.tensorrt.loaded_engine import EngineLoader
from tracegen_model.runtime.engines.tensorrt.targets import target_for

from .conftest import build, needs_tensorrt_rtx

CHECKPOINT = find_checkpoint("fr3_blocks_nano")
GRAPHS = ("velocity.onnx", "condition_encoder.onnx")
MISSING = {name: why_unavailable(flavour) for name, flavour in FLAVOURS.items()}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.skipif(reason is not None, reason=f"{name} {reason}"))
        for name, reason in MISSING.items()
    ],
)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_engines_are_what_was_built(name: str, precision: str, tmp_path: Path) -> None:
    flavour, gpu = FLAVOURS[name], find_gpu()
    config = CheckpointConfig.load(CHECKPOINT)
    engines = CheckpointEngines(CHECKPOINT, config, flavour, precision, 2, target_for(flavour, gpu), gpu)
    files = engines.get(EngineCache(tmp_path), lambda _: None)
    library = flavour.library()
    loader = EngineLoader(flavour, library_log(library))
    try:
        velocity, encoder = (loader.load(files[graph]) for graph in GRAPHS)
        network = config.network
        state = (2, network.points, network.horizon, 3)
        assert velocity.inputs["state"][0] == velocity.outputs["velocity"][0] == state
        assert {str(dtype) for _, dtype in velocity.inputs.values()} == {"float32"}
        assert str(encoder.inputs["colour"][1]) == "uint8"
        assert set(encoder.outputs) == {"trace", "tokens", "modulation", "query_points"}
        runtime = library.Runtime(library_log(library))
        inspector = runtime.deserialize_cuda_engine(files[GRAPHS[0]].read_bytes()).create_engine_inspector()
        information = inspector.get_engine_information(library.LayerInformationFormat.JSON)
        assert len(json.loads(information)["Layers"]) > network.blocks
        assert ("BF16" in information or "BFloat16" in information) == (precision == "bfloat16")
    finally:
        loader.close()


@needs_tensorrt_rtx
@pytest.mark.skipif(MISSING[TENSORRT_RTX.name] is None, reason="there is a GPU")
def test_an_engine_that_cannot_be_loaded_says_why(tmp_path: Path) -> None:
    engine = build(CHECKPOINT, tmp_path)[0]["velocity.onnx"]
    loader = EngineLoader(TENSORRT_RTX, library_log(TENSORRT_RTX.library()))
    with pytest.raises(EngineError, match=r"velocity-.*\.engine could not be loaded: .*C(UDA|uda)"):
        loader.load(engine)
    engine.unlink()
    with pytest.raises(EngineError, match="could not be read"):
        loader.load(engine)
