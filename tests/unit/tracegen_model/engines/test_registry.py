"""``auto`` takes the best engine that works, says why not the others, and takes no time to decide."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tracegen_model.cli import main
from tracegen_model.network.checkpoint_config import CheckpointConfig, CheckpointError
from tracegen_model.runtime.engines import (
    ENGINES,
    EngineRequest,
    EngineUnavailable,
    load_engine,
)
from tracegen_model.runtime.engines.torch_kinds import TORCH_COMPILED


@pytest.fixture
def request_of_nano(checkpoints: dict[str, Path]) -> EngineRequest:
    folder = checkpoints["nano"]
    config = CheckpointConfig.load(folder)
    return EngineRequest(folder, config, config.default_plan)


@pytest.fixture
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """All engines that need a GPU say so."""
    for name in ("tensorrt", "tensorrt-rtx", "onnxruntime-tensorrt", "onnxruntime-cuda"):
        monkeypatch.setitem(
            ENGINES, name, replace(ENGINES[name], why_unavailable=lambda: "needs an NVIDIA GPU")
        )
    kind = replace(TORCH_COMPILED, why_not_best=lambda: "is slower on a CPU than onnxruntime")
    monkeypatch.setitem(ENGINES, "torch-compiled", kind)


def test_the_best_engine_that_works_is_taken_and_the_better_ones_say_why_not(
    request_of_nano: EngineRequest, without_gpu: None
) -> None:
    loaded = load_engine("auto", request_of_nano)
    assert loaded.engine.description.name == "onnxruntime"
    assert list(loaded.refused) == [
        "tensorrt",
        "tensorrt-rtx",
        "onnxruntime-tensorrt",
        "onnxruntime-cuda",
        "torch-compiled",
    ]
    assert all(loaded.refused.values())


def test_an_engine_that_broke_is_passed_over(request_of_nano: EngineRequest, without_gpu: None) -> None:
    loaded = load_engine("auto", request_of_nano, {"onnxruntime": "broke while running: out of memory"})
    assert loaded.engine.description.name == "torch"
    assert loaded.refused["onnxruntime"] == "broke while running: out of memory"


def test_an_engine_that_cannot_load_the_checkpoint_is_passed_over(
    request_of_nano: EngineRequest, without_gpu: None
) -> None:
    config = replace(request_of_nano.config, graphs={}, sha256={})
    loaded = load_engine("auto", replace(request_of_nano, config=config))
    assert loaded.engine.description.name == "torch"
    assert "export it again" in loaded.refused["onnxruntime"]


def test_where_nothing_works_every_reason_is_named(request_of_nano: EngineRequest, without_gpu: None) -> None:
    with pytest.raises(EngineUnavailable, match=r"onnxruntime: one; torch: two"):
        load_engine("auto", request_of_nano, {"onnxruntime": "one", "torch": "two"})


def test_an_engine_that_is_asked_for_by_name_says_what_it_lacks(
    request_of_nano: EngineRequest, without_gpu: None
) -> None:
    with pytest.raises(EngineUnavailable, match="engine tensorrt needs an NVIDIA GPU"):
        load_engine("tensorrt", request_of_nano)
    with pytest.raises(EngineUnavailable, match="does not run in float64; it offers float32, int8"):
        load_engine("onnxruntime", replace(request_of_nano, precision="float64"))


@pytest.mark.parametrize(
    "name", [name for name, kind in ENGINES.items() if kind.why_unavailable() is not None]
)
def test_what_is_missing_comes_with_what_to_do(name: str, request_of_nano: EngineRequest) -> None:
    reason = ENGINES[name].why_unavailable()
    assert reason is not None
    assert reason.startswith(("needs ", "runs on "))
    with pytest.raises(EngineUnavailable, match=f"engine {name} needs|engine {name} runs on"):
        load_engine(name, request_of_nano)


def test_deciding_imports_no_library_of_an_engine_that_cannot_run(checkpoints: dict[str, Path]) -> None:
    code = """
import ctypes, importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name.startswith(("tensorrt", "cuda")) else find(name, *rest)
def refuse(name): raise OSError(name)
ctypes.CDLL = refuse
from tracegen_model.runtime.engines import ENGINES
print([name for name, kind in ENGINES.items() if not kind.why_unavailable() and not kind.why_not_best()])
print([name for name in ("torch", "onnxruntime", "tensorrt", "cuda") if name in sys.modules])
"""
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines() == ["['onnxruntime', 'torch']", "[]"]


def test_a_compiler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/no/such/compiler")
    assert TORCH_COMPILED.why_unavailable() == (
        "needs a C++ compiler, found none of /no/such/compiler: apt install g++"
    )


def test_the_command_lists_every_engine(capsys: pytest.CaptureFixture[str], without_gpu: None) -> None:
    assert not main(["engines"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line[0] != " "] == [*ENGINES, "auto"]
    assert lines[-1] == "auto takes: onnxruntime"
    assert next(line for line in lines if line.startswith("onnxruntime ")).split()[1] == "yes"
    assert next(line for line in lines if line.startswith("tensorrt ")).split()[1] == "no"
    assert sum("needs an NVIDIA GPU" in line for line in lines) == 4


def test_an_unknown_engine_is_refused_by_name(request_of_nano: EngineRequest) -> None:
    with pytest.raises(CheckpointError, match="no engine 'abacus'; there is auto, tensorrt"):
        load_engine("abacus", request_of_nano)
