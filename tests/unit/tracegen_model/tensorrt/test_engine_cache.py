"""Engines are built once, found again, and built anew when they no longer fit; never by two at a time."""

from __future__ import annotations

import dataclasses
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tracegen_model.runtime.engines.cache_folder import CACHE_VARIABLE, default_cache_folder
from tracegen_model.runtime.engines.tensorrt.engine_builder import BuiltEngine
from tracegen_model.runtime.engines.tensorrt.engine_cache import (
    EngineCache,
    EngineOrder,
)
from tracegen_model.runtime.engines.tensorrt.targets import Gpu, Target

RTX_4090 = Gpu("NVIDIA GeForce RTX 4090", "8.9", "13.0")
RTX_5090 = Gpu("NVIDIA GeForce RTX 5090", "12.0", "13.0")
ORDER = EngineOrder(
    flavour="tensorrt-rtx",
    version="1.7.1",
    graph="velocity.onnx",
    graph_sha256="a" * 64,
    weights_sha256="b" * 64,
    precision="bfloat16",
    open_sizes={"state": 4},
    target=Target(("8.9",)),
    gpu=RTX_4090,
)


class Builder:
    """Counts builds; each engine has other bytes."""

    def __init__(self) -> None:
        self.builds = 0
        self.timings: list[bytes] = []

    def __call__(self, timing_cache: bytes) -> BuiltEngine:
        self.builds += 1
        self.timings.append(timing_cache)
        return BuiltEngine(
            f"engine {self.builds}".encode() * 100, "Layers:\n", f"timings {self.builds}".encode()
        )


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "cache")


@pytest.fixture
def build() -> Builder:
    return Builder()


def changed(**values: object) -> EngineOrder:
    return dataclasses.replace(ORDER, **values)  # type: ignore[arg-type]


def test_an_engine_is_built_once(cache: EngineCache, build: Builder) -> None:
    first = cache.get(ORDER, build)
    assert cache.get(ORDER, build) == first
    assert first.read_bytes().startswith(b"engine 1")
    assert build.builds == 1


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda engine: engine.write_bytes(engine.read_bytes()[:-1]), "missing or damaged"),
        (lambda engine: engine.write_bytes(b"X" + engine.read_bytes()[1:]), "missing or damaged"),
        (lambda engine: engine.unlink(), "missing or damaged"),
        (lambda engine: engine.with_suffix(".json").write_text("{"), "is damaged"),
        (lambda engine: engine.with_suffix(".json").write_text('{"format": 1}'), "is damaged"),
        (lambda engine: engine.with_suffix(".json").unlink(), "no engine yet"),
    ],
    ids=["truncated", "altered", "missing", "broken manifest", "foreign manifest", "no manifest"],
)
def test_a_damaged_engine_is_built_again(
    cache: EngineCache,
    build: Builder,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
    said: str,
) -> None:
    caplog.set_level(logging.INFO)
    damage(cache.get(ORDER, build))
    caplog.clear()
    assert cache.get(ORDER, build).read_bytes().startswith(b"engine 2")
    (line,) = [record.getMessage() for record in caplog.records]
    assert said in line
    assert "building it for compute capability 8.9" in line
    assert cache.get(ORDER, build).read_bytes().startswith(b"engine 2")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (changed(version="1.8.0"), "the engine is of tensorrt-rtx 1.7.1, this is 1.8.0"),
        (changed(gpu=RTX_5090, target=Target(("12.0",))), "the engine is for compute capability 8.9"),
        (changed(graph_sha256="c" * 64), "no engine yet"),
        (changed(weights_sha256="c" * 64), "no engine yet"),
        (changed(precision="float32"), "no engine yet"),
        (changed(open_sizes={"state": 8}), "no engine yet"),
        (changed(graph="condition.onnx"), "no engine yet"),
        (changed(flavour="tensorrt"), "no engine yet"),
    ],
    ids=["version", "GPU", "graph", "weights", "precision", "samples", "name", "library"],
)
def test_an_engine_of_something_else_is_not_used(
    cache: EngineCache,
    build: Builder,
    caplog: pytest.LogCaptureFixture,
    wanted: EngineOrder,
    said: str,
) -> None:
    caplog.set_level(logging.INFO)
    first = cache.get(ORDER, build)
    caplog.clear()
    assert cache.get(wanted, build) != first
    assert said in caplog.records[0].getMessage()
    assert cache.get(ORDER, build) == first
    assert build.builds == 2


def test_an_engine_for_several_gpus_serves_each_of_them(cache: EngineCache, build: Builder) -> None:
    portable = changed(target=Target(("8.9", "12.0")), gpu=None)
    engine = cache.get(portable, build)
    assert cache.get(ORDER, build) == engine
    assert cache.get(changed(gpu=RTX_5090, target=Target(("12.0",))), build) == engine
    assert build.builds == 1


def test_an_engine_that_was_tuned_on_one_gpu_serves_no_other_of_its_compute_capability(
    cache: EngineCache, build: Builder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    laptop = Gpu("NVIDIA GeForce RTX 4060 Laptop GPU", "8.9", "13.0")
    tuned = changed(flavour="tensorrt", target=Target(("8.9",), RTX_4090.name))
    cache.get(tuned, build)
    caplog.clear()
    cache.get(changed(flavour="tensorrt", gpu=laptop, target=Target(("8.9",), laptop.name)), build)
    assert f"the engine is for {RTX_4090.name}" in caplog.records[0].getMessage()
    assert build.builds == 2


def test_a_build_that_fails_leaves_nothing(cache: EngineCache, build: Builder, tmp_path: Path) -> None:
    def fail(_: bytes) -> BuiltEngine:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.get(ORDER, fail)
    assert not list(tmp_path.rglob("*.engine")) and not list(tmp_path.rglob("*.json"))
    assert cache.get(ORDER, build).is_file()


def test_a_process_that_dies_while_it_builds_is_in_nobodys_way(
    cache: EngineCache, build: Builder, tmp_path: Path
) -> None:
    code = f"""
import os
from pathlib import Path
from tracegen_model.runtime.engines.tensorrt import engine_cache
from tracegen_model.runtime.engines.cache_folder import CACHE_VARIABLE, default_cache_folder
from tracegen_model.runtime.engines.tensorrt.engine_builder import BuiltEngine
from tracegen_model.runtime.engines.tensorrt.engine_cache import EngineCache, EngineOrder
from tracegen_model.runtime.engines.tensorrt.targets import Gpu, Target

class DiesWhenWritten(bytes):
    def __buffer__(self, flags):
        os._exit(9)

order = {ORDER!r}
EngineCache(Path({str(tmp_path / "cache")!r})).get(order, lambda _: BuiltEngine(DiesWhenWritten(b"x"), "", b""))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    (left,) = tmp_path.rglob("*.part")
    assert cache.get(ORDER, build).read_bytes().startswith(b"engine 1")
    assert not left.exists()


def test_who_wants_an_engine_that_another_builds_waits_for_it(
    cache: EngineCache, build: Builder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    waiting, finish = threading.Event(), threading.Event()
    found: list[Path] = []

    class Waits(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "another process is building it" in record.getMessage():
                waiting.set()

    def slow(timings: bytes) -> BuiltEngine:
        second.start()
        assert finish.wait(60.0)
        return build(timings)

    second = threading.Thread(target=lambda: found.append(cache.get(ORDER, build)))
    first = threading.Thread(target=lambda: found.append(cache.get(ORDER, slow)))
    handler = Waits()
    logging.getLogger("tracegen_model").addHandler(handler)
    try:
        first.start()
        assert waiting.wait(60.0)
        finish.set()
        first.join(60.0)
        second.join(60.0)
    finally:
        logging.getLogger("tracegen_model").removeHandler(handler)
    assert found[0] == found[1]
    assert build.builds == 1


def test_timings_are_kept_for_the_next_build_of_the_same_version(cache: EngineCache, build: Builder) -> None:
    for precision in ("float32", "float16"):
        cache.get(changed(precision=precision), build)
    cache.get(changed(version="1.8.0"), build)
    assert build.timings == [b"", b"timings 1", b""]


def test_the_least_recently_used_engines_make_room(tmp_path: Path, build: Builder) -> None:
    cache = EngineCache(tmp_path, limit=2000)  # Two engines of 800 bytes.
    orders = [changed(open_sizes={"state": samples}) for samples in (1, 2, 3)]
    first, second = (cache.get(order, build) for order in orders[:2])
    stamp = second.with_suffix(".json").stat().st_mtime_ns
    while cache.get(orders[0], build).with_suffix(".json").stat().st_mtime_ns == stamp:
        pass  # Until the file system's clock tells the uses apart.
    third = cache.get(orders[2], build)
    assert first.is_file() and third.is_file()
    assert not list(tmp_path.rglob(f"{second.stem}.[!l]*"))


def test_the_engine_that_was_asked_for_is_kept_even_beyond_the_limit(tmp_path: Path, build: Builder) -> None:
    assert EngineCache(tmp_path, limit=1).get(ORDER, build).is_file()


def test_cleaning_deletes_engines_and_nothing_else(tmp_path: Path, build: Builder) -> None:
    cache = EngineCache(tmp_path)
    cache.get(ORDER, build)
    cache.get(changed(flavour="tensorrt"), build)
    for others in (tmp_path / "tensorrt" / "notes.md", tmp_path / "accuracy" / "verdict.json"):
        others.parent.mkdir(exist_ok=True)
        others.write_text("mine")
    count, size = cache.clean()
    assert (count, size) == (2, 1600)
    left = {path.name for path in tmp_path.rglob("*.*")}
    assert {name for name in left if not name.endswith(".lock")} == {"notes.md", "verdict.json"}


def test_a_manifest_says_what_an_engine_was_made_of(cache: EngineCache, build: Builder) -> None:
    manifest = json.loads(cache.get(ORDER, build).with_suffix(".json").read_text())
    assert manifest["model"] == ORDER.model
    assert manifest["target"] == {"compute_capabilities": ["8.9"], "gpu": None}


def test_the_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache_folder() == tmp_path / "xdg" / "tracegen" / "engines"
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "mine"))
    assert default_cache_folder() == tmp_path / "mine"
