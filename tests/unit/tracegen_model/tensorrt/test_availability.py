"""What a machine lacks for TensorRT is said, with what to do about it."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest

from tracegen_model.runtime.engines.tensorrt import cuda_runtime, kinds
from tracegen_model.runtime.engines.tensorrt.flavours import TENSORRT, TENSORRT_RTX, Flavour
from tracegen_model.runtime.engines.tensorrt.kinds import (
    TENSORRT_KIND,
    TENSORRT_RTX_KIND,
    why_unavailable,
)
from tracegen_model.runtime.engines.tensorrt.targets import Gpu, Target, target_for

from .conftest import needs_tensorrt_rtx
from .host_cuda import Errors, HostCuda

INSTALLED = dataclasses.replace(TENSORRT, module="json")
"""As if TensorRT was installed: any module will do."""


class Driver(HostCuda):
    """A CUDA runtime that finds what it is told to find."""

    def __init__(
        self, code: Errors = Errors.cudaSuccess, gpus: int = 1, capability: tuple[int, int] = (8, 9)
    ) -> None:
        super().__init__()
        self._code, self._gpus, self._capability = code, gpus, capability

    def cudaGetDeviceCount(self) -> tuple[Errors, int]:
        return self._code, self._gpus

    def cudaRuntimeGetVersion(self) -> tuple[Errors, int]:
        return Errors.cudaSuccess, 13020

    def cudaDriverGetVersion(self) -> tuple[Errors, int]:
        return Errors.cudaSuccess, 12080

    def cudaGetDeviceProperties(self, device: int) -> tuple[Errors, Any]:
        major, minor = self._capability
        return Errors.cudaSuccess, SimpleNamespace(name=b"NVIDIA Test\0\0", major=major, minor=minor)


def found(monkeypatch: pytest.MonkeyPatch, flavour: Flavour, driver: Driver) -> str | None:
    monkeypatch.setattr(kinds, "cuda_is_installed", lambda: True)
    monkeypatch.setattr(cuda_runtime, "cuda_library", lambda: driver)
    return why_unavailable(flavour)


def test_a_missing_library_comes_with_the_command_that_installs_it() -> None:
    missing = dataclasses.replace(TENSORRT_RTX, module="no_such_module")
    assert why_unavailable(missing) == "needs TensorRT for RTX: pip install 'tracegen-model[tensorrt-rtx]'"


def test_missing_python_bindings_of_cuda_come_with_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kinds, "cuda_is_installed", lambda: False)
    reason = why_unavailable(INSTALLED)
    assert reason == "needs NVIDIA's CUDA for Python: pip install 'tracegen-model[tensorrt]'"


@pytest.mark.parametrize(
    ("driver", "reason"),
    [
        (
            Driver(Errors.cudaErrorInsufficientDriver),
            "needs an NVIDIA driver for CUDA 13.0 or newer: the driver runs up to CUDA 12.8",
        ),
        (Driver(Errors.cudaErrorNoDevice), "needs an NVIDIA GPU: the driver shows none to this process"),
        (Driver(gpus=0), "needs an NVIDIA GPU: the driver shows none to this process"),
        (Driver(Errors.cudaErrorIllegalAddress), "needs an NVIDIA GPU that works: the GPU failed"),
        (
            Driver(capability=(7, 0)),
            "needs a GPU of compute capability 7.5 or newer; NVIDIA Test has 7.0",
        ),
    ],
    ids=["old driver", "no GPU", "hidden GPU", "broken GPU", "old GPU"],
)
def test_what_is_wrong_with_driver_and_gpu_is_said(
    monkeypatch: pytest.MonkeyPatch, driver: Driver, reason: str
) -> None:
    said = found(monkeypatch, INSTALLED, driver)
    assert said is not None and said.startswith(reason)


def test_nothing_is_missing_where_library_driver_and_gpu_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch, INSTALLED, Driver(capability=(9, 0))) is None


@needs_tensorrt_rtx
def test_tensorrt_for_rtx_leaves_data_centre_cards_to_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch, TENSORRT_RTX, Driver(capability=(12, 0))) is None
    said = found(monkeypatch, TENSORRT_RTX, Driver(capability=(9, 0)))
    assert said is not None
    assert said.endswith("NVIDIA Test has 9.0: use engine tensorrt")


def test_engines_are_for_one_kind_of_card_or_for_all_of_a_compute_capability() -> None:
    gpu = Gpu("NVIDIA H200", "9.0", "13.0")
    other = dataclasses.replace(gpu, name="NVIDIA H100")
    assert target_for(TENSORRT, gpu) == Target(("9.0",), "NVIDIA H200")
    assert not target_for(TENSORRT, gpu).covers(other)
    assert target_for(TENSORRT_RTX, gpu).covers(other)


def test_kinds_name_their_precisions_the_exact_one_first() -> None:
    for kind in (TENSORRT_KIND, TENSORRT_RTX_KIND):
        assert kind.precisions == ("float32", "tf32", "bfloat16", "float16")
