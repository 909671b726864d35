"""What runs around the engines on the GPU: memory, copies, recorded work, plans, errors. See ``host_cuda``."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tracegen_model.cli import main
from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.integrators import METHODS, SamplingPlan
from tracegen_model.network.presets import NetworkConfig
from tracegen_model.runtime.engines import EngineDescription, EngineError, EngineRequest, load_engine
from tracegen_model.runtime.engines.tensorrt import tensorrt_engine
from tracegen_model.runtime.engines.tensorrt.checkpoint_engines import COMBINATION, network_stages
from tracegen_model.runtime.engines.tensorrt.device_sampler import REMEMBERED_PLANS
from tracegen_model.runtime.engines.tensorrt.flavours import TENSORRT_RTX
from tracegen_model.runtime.engines.tensorrt.tensorrt_engine import TensorrtEngine

from ..conftest import TINY, TINY_TRACEGEN
from ..tiny_checkpoints import save_tiny_checkpoint
from .host_cuda import Errors, HostCuda, HostEngine, HostLoader

pytestmark = pytest.mark.timeout(300)  # The first test imports the towers' libraries, and exports.

SAMPLES = 2
STEPS = 3
TOLERANCE = 1e-5
SENTENCES = ("push the red block", "lift it", "push the red block")


@pytest.fixture(scope="module", params=[TINY, TINY_TRACEGEN], ids=["nano", "published"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An exported checkpoint with random weights."""
    folder = save_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"), request.param, sampler_steps=STEPS)
    assert not main(["export", str(folder)])
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def cuda() -> HostCuda:
    return HostCuda()


@pytest.fixture
def loader(folder: Path, cuda: HostCuda) -> HostLoader:
    network = CheckpointConfig.load(folder).network
    return HostLoader(cuda, (SAMPLES, network.points, network.horizon, 3))


@pytest.fixture
def load(
    folder: Path, cuda: HostCuda, loader: HostLoader, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], TensorrtEngine]:
    """Makes the engine as a GPU would run it."""
    config = CheckpointConfig.load(folder)
    monkeypatch.setattr(tensorrt_engine, "cuda_library", lambda: cuda)
    monkeypatch.setattr(tensorrt_engine, "EngineLoader", lambda flavour, log: loader)
    monkeypatch.setattr(tensorrt_engine, "library_log", lambda library: None)
    monkeypatch.setattr(type(TENSORRT_RTX), "library", lambda flavour: None)
    files = {name: folder / name for name in network_stages(config).graphs}
    files[COMBINATION] = folder / COMBINATION
    request = EngineRequest(folder, config, config.default_plan, samples=SAMPLES)
    description = EngineDescription("tensorrt-rtx", "host", "float32", "stand-in")
    return lambda: TensorrtEngine(TENSORRT_RTX, request, description, files)


def observation(network: NetworkConfig, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    side = network.image_side
    colour = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    return colour, rng.uniform(0.4, 2.0, (side, side)).astype(np.float32)


def noise(network: NetworkConfig, samples: int, seed: int = 0) -> np.ndarray:
    shape = (samples, network.points, network.horizon, 3)
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def test_images_sentences_and_noise_give_the_traces_that_onnx_runtime_gives(
    folder: Path, load: Callable[[], TensorrtEngine], cuda: HostCuda
) -> None:
    config = CheckpointConfig.load(folder)
    plan = config.default_plan
    engine = load()
    expected = load_engine("onnxruntime", EngineRequest(folder, config, plan, samples=SAMPLES)).engine
    for index, sentence in enumerate(SENTENCES):
        state = noise(config.network, SAMPLES, index)
        found = []
        for each in (expected, engine):
            condition = each.condition(*observation(config.network, index), sentence)
            found.append((each.sample(state, condition, plan), condition.query_points))
        np.testing.assert_allclose(found[1][0], found[0][0], atol=TOLERANCE)
        if found[0][1] is None:
            assert found[1][1] is None
        else:
            np.testing.assert_allclose(found[1][1], found[0][1], atol=TOLERANCE)
    assert cuda.graphs == 2
    assert cuda.launches == 2 * len(SENTENCES)


def test_each_graph_runs_when_it_has_to_and_no_more(
    folder: Path, load: Callable[[], TensorrtEngine], loader: HostLoader
) -> None:
    config = CheckpointConfig.load(folder)
    stages = network_stages(config)
    engine = load()
    runs = {name: found.runs for name, found in loader.engines.items()}
    for index, sentence in enumerate(["push", "push", "push", "lift"]):
        condition = engine.condition(*observation(config.network, index), sentence)
        engine.sample(noise(config.network, SAMPLES), condition, config.default_plan)
    counts = {name: found.runs - runs[name] for name, found in loader.engines.items()}
    assert counts == {
        **dict.fromkeys(stages.sentence, 2),
        **dict.fromkeys(stages.frame, 4),
        **dict.fromkeys(stages.time, 0),
        stages.velocity: 4 * STEPS,
    }


@pytest.mark.parametrize("method", METHODS)
def test_any_method_steps_and_number_of_samples_work(
    folder: Path, load: Callable[[], TensorrtEngine], method: str
) -> None:
    config = CheckpointConfig.load(folder)
    engine = load()
    reference = load_engine("torch", EngineRequest(folder, config, config.default_plan)).engine
    scene = observation(config.network, 0)
    conditions = [each.condition(*scene, SENTENCES[0]) for each in (reference, engine)]
    warm = SamplingPlan(method, (0.25, 0.5, 0.75, 1.0))
    for plan, samples in ((SamplingPlan.of(method, 2, 1.5), 1), (warm, 5)):
        state = noise(config.network, samples)
        expected, found = (
            each.sample(state, condition, plan)
            for each, condition in zip((reference, engine), conditions, strict=True)
        )
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_nothing_is_allocated_or_recorded_once_it_runs(
    folder: Path, load: Callable[[], TensorrtEngine], cuda: HostCuda
) -> None:
    config = CheckpointConfig.load(folder)
    engine = load()
    cuda.failing = dict.fromkeys(
        ("cudaMalloc", "cudaHostAlloc", "cudaStreamBeginCapture"), Errors.cudaErrorMemoryAllocation
    )
    condition = engine.condition(*observation(config.network, 0), SENTENCES[0])
    traces = engine.sample(noise(config.network, SAMPLES), condition, config.default_plan)
    assert np.isfinite(traces).all()


def test_traces_are_not_overwritten_by_the_next_ones(
    folder: Path, load: Callable[[], TensorrtEngine]
) -> None:
    config = CheckpointConfig.load(folder)
    engine = load()
    condition = engine.condition(*observation(config.network, 0), SENTENCES[0])
    first = engine.sample(noise(config.network, SAMPLES, 0), condition, config.default_plan)
    kept = first.copy()
    engine.sample(noise(config.network, SAMPLES, 1), condition, config.default_plan)
    np.testing.assert_array_equal(first, kept)


def test_plans_that_are_not_used_make_room(
    folder: Path, load: Callable[[], TensorrtEngine], cuda: HostCuda
) -> None:
    config = CheckpointConfig.load(folder)
    engine = load()
    condition = engine.condition(*observation(config.network, 0), SENTENCES[0])
    state = noise(config.network, SAMPLES)
    for steps in range(1, 2 * REMEMBERED_PLANS):
        engine.sample(state, condition, SamplingPlan.of("euler", steps, 1.0))
    # The frame's recording is there, too.
    assert len(cuda._executables) == REMEMBERED_PLANS + 1


def test_closing_gives_everything_back(load: Callable[[], TensorrtEngine], cuda: HostCuda) -> None:
    engine = load()
    assert not cuda.is_empty
    engine.close()
    assert cuda.is_empty
    engine.close()


def test_a_gpu_without_enough_memory_is_said_and_nothing_is_kept(
    load: Callable[[], TensorrtEngine], cuda: HostCuda
) -> None:
    cuda.memory_limit = 20_000
    with pytest.raises(EngineError, match=r"the GPU is out of memory: 0\.00 of 0\.00 GB free"):
        load()
    assert cuda.is_empty


def test_work_that_cannot_be_recorded_is_queued_each_time(
    folder: Path,
    load: Callable[[], TensorrtEngine],
    cuda: HostCuda,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = CheckpointConfig.load(folder)
    scene, state = observation(config.network, 0), noise(config.network, SAMPLES)
    found = []
    for capturable in (True, False):
        monkeypatch.setattr(HostEngine, "can_be_captured", lambda engine, stream, value=capturable: value)
        engine = load()
        found.append(engine.sample(state, engine.condition(*scene, SENTENCES[0]), config.default_plan))
    np.testing.assert_array_equal(found[0], found[1])
    assert cuda.graphs == 2
    assert "cannot be recorded as a CUDA graph" in caplog.text


def test_pinned_memory_that_runs_out_is_given_back(
    load: Callable[[], TensorrtEngine], cuda: HostCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = cuda.cudaHostAlloc
    left = iter([True, False])

    def runs_out(size: int, flags: int) -> tuple[Errors, int | None]:
        return given(size, flags) if next(left, False) else (Errors.cudaErrorMemoryAllocation, None)

    monkeypatch.setattr(cuda, "cudaHostAlloc", runs_out)
    with pytest.raises(EngineError, match="out of memory"):
        load()
    assert cuda.is_empty


def test_a_gpu_that_is_lost_breaks_the_engine_for_good(
    folder: Path, load: Callable[[], TensorrtEngine], cuda: HostCuda
) -> None:
    config = CheckpointConfig.load(folder)
    engine = load()
    scene = observation(config.network, 0)
    condition = engine.condition(*scene, SENTENCES[0])
    cuda.failing["cudaStreamSynchronize"] = Errors.cudaErrorIllegalAddress
    with pytest.raises(EngineError, match=r"the GPU failed: text of 700, cudaErrorIllegalAddress"):
        engine.sample(noise(config.network, SAMPLES), condition, config.default_plan)
    cuda.failing.clear()
    with pytest.raises(EngineError, match="load the engine again: the GPU failed"):
        engine.condition(*scene, SENTENCES[0])
    cuda.failing["cudaFree"] = Errors.cudaErrorIllegalAddress
    engine.close()
    with pytest.raises(EngineError, match="load the engine again"):
        engine.condition(*scene, SENTENCES[0])
