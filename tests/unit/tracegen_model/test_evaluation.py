"""An evaluation reports the errors that the traces have, beside baselines, whatever the batch."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.data.dataset import EpisodeDataset, ItemForm
from tracegen_model.data.episode import PointKind
from tracegen_model.data.packing import pack_dataset
from tracegen_model.data.trace_item import SampleKey, TraceItem
from tracegen_model.evaluation.baselines import mean_motion
from tracegen_model.evaluation.camera_file import CameraFileError, read_camera
from tracegen_model.evaluation.evaluation import Evaluation, EvaluationCamera, SamplerSettings
from tracegen_model.evaluation.evaluator import EvaluationError, evaluate, noise_seed, predict
from tracegen_model.evaluation.measured_data import DataChoice, open_measured_data
from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.images import ImageBatch
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen
from tracegen_model.network.trace_network import TraceNetwork
from tracegen_model.trace_grid import grid_pixels

from .conftest import TINY, TINY_TRACEGEN, write_episodes

SCALE = (0.02, 0.02, 0.02)
SIZE = (64, 48)
CAMERA = EvaluationCamera(CameraIntrinsics(60.0, 60.0, 31.5, 23.5, *SIZE), source="a test")
POINTS, STEPS = TINY.points, TINY.horizon


def item(number: int, image: int, motion: Sequence[float], **changes: Any) -> TraceItem:
    """A sample in which the first half of the points moves by ``motion`` in all, as straight as can be."""
    start = np.ones((POINTS, 3), np.float32)
    start[:, :2] = (grid_pixels(*SIZE, TINY.grid_side) + 0.5) / np.array(SIZE)
    increments = np.zeros((POINTS, STEPS, 3), np.float32)
    increments[: POINTS // 2] = np.asarray(motion, np.float32) / STEPS
    kinds = np.zeros(POINTS, np.uint8)
    kinds[: POINTS // 4], kinds[POINTS // 4 : POINTS // 2] = PointKind.HAND, PointKind.TARGET_OBJECT
    sentence = f"do thing {number}"
    values: dict[str, Any] = {
        "key": SampleKey("drawn", f"episode{number}", f"{number}"),
        "image_key": f"image {image}",
        "colour": np.full((TINY.image_side, TINY.image_side, 3), 10 * image, np.uint8),
        "depth": np.ones((TINY.image_side, TINY.image_side), np.float32),
        "depth_known": True,
        "sentence": sentence,
        "wordings": {"instruction_1": sentence, "instruction_2": f"kindly {sentence}"},
        "start_uvz": start,
        "increments": increments,
        "known": np.ones((POINTS, STEPS, 3), bool),
        "moving": np.arange(POINTS) < POINTS // 2,
        "point_kinds": kinds,
        "target_uvz": np.full((3, 3), number, np.float32),
        "source_size": SIZE,
    }
    return TraceItem(**{**values, **changes})


class Drawn:
    """A dataset of given items; scenes are images."""

    def __init__(self, items: Sequence[TraceItem]) -> None:
        self.items = list(items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> TraceItem:
        return self.items[index]

    def image_of(self, index: int) -> int:
        return int(self.items[index].image_key.split()[1])

    def scene_of(self, index: int) -> str:
        return self.items[index].image_key


class Oracle(TraceNetwork):
    """Flows straight to the truth of the sentence, plus an error; without a sentence, to no motion."""

    def __init__(self, dataset: Drawn, error: Sequence[float] = (0.0, 0.0, 0.0)) -> None:
        super().__init__()
        self.config = TINY
        self.place = nn.Parameter(torch.zeros(1))
        self.conditioned: list[tuple[int, tuple[str, ...]]] = []
        wrong = np.asarray(error, np.float32)
        self.answers = {
            sentence: torch.from_numpy((sample.increments + wrong) / np.asarray(SCALE, np.float32))
            for sample in dataset.items
            for sentence in (sample.sentence, *sample.wordings.values())
        }

    def condition(
        self, images: ImageBatch, sentences: Sequence[str], image_index: Tensor | None = None
    ) -> Tensor:
        self.conditioned.append((len(images), tuple(sentences)))
        nothing = torch.zeros(POINTS, STEPS, 3)
        return torch.stack([self.answers.get(sentence, nothing) for sentence in sentences])

    def velocity(self, state: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        return (condition - state) / (1.0 - time.view(-1, 1, 1, 1))


@pytest.fixture
def drawn() -> Drawn:
    """Two images with two tasks each, which move points to the right and down, and one that moves them back."""
    right, down, back = (0.2, 0.0, 0.0), (0.0, 0.2, 0.0), (-0.1, -0.1, 0.1)
    return Drawn([item(0, 1, right), item(1, 2, down), item(2, 1, down), item(3, 2, right), item(4, 3, back)])


def test_perfect_traces_have_no_error_and_make_every_right_choice(drawn: Drawn) -> None:
    found = evaluate(Oracle(drawn), drawn, range(5), SCALE, (SamplerSettings(steps=3),), camera=CAMERA)
    for name in ("trace_mse", "endpoint_mse", "increment_mae", "moving_ade_px", "fde_cm", "hand_cm_8"):
        assert found.measure(name).mean == pytest.approx(0.0, abs=1e-5)
    assert found.measure("object_choice").mean == 1.0
    assert found.measure("object_choice").samples == 4  # image 3 has one task, and so no choice
    assert "zone_choice" not in found.measures()


def test_an_error_that_is_put_in_is_measured_in_every_unit(drawn: Drawn) -> None:
    per_step = 0.01
    network = Oracle(drawn, error=(per_step, 0.0, 0.0))
    found = evaluate(network, drawn, range(5), SCALE, (SamplerSettings(steps=1),), camera=CAMERA)
    steps = np.arange(1, STEPS + 1)
    pixels = per_step * SIZE[0] * steps
    centimetres = 100.0 * pixels / 60.0  # at 1 m, with a focal length of 60 px
    assert found.measure("ade_px").mean == pytest.approx(pixels.mean(), rel=1e-4)
    assert found.measure("moving_fde_px").mean == pytest.approx(pixels[-1], rel=1e-4)
    np.testing.assert_allclose(found.tables[found.network].by_step["px"], pixels, rtol=1e-4)
    still = evaluate(network, drawn, [0], SCALE, (SamplerSettings(steps=1),), camera=CAMERA)
    assert still.measure("moving_ade_cm").mean == pytest.approx(centimetres.mean(), rel=1e-4)
    assert still.measure("hand_cm_8").mean == pytest.approx(centimetres[7], rel=1e-4)
    positions_squared = (per_step * steps) ** 2
    assert found.measure("trace_mse").mean == pytest.approx(
        positions_squared.sum() / (3 * (STEPS + 1)), rel=1e-4
    )
    assert found.measure("endpoint_mse").mean == pytest.approx(positions_squared[-1] / 3, rel=1e-4)


def test_no_motion_errs_by_the_motion_and_mean_motion_by_what_differs(drawn: Drawn) -> None:
    alike = Drawn([item(number, number, (0.2, 0.0, 0.0)) for number in range(3)])
    found = evaluate(
        Oracle(alike, error=(0.001, 0.0, 0.0)),
        alike,
        range(3),
        SCALE,
        mean_motion=mean_motion(alike, range(3)),
        camera=CAMERA,
    )
    assert found.measure("moving_fde_px", "zero motion").mean == pytest.approx(0.2 * SIZE[0], rel=1e-4)
    assert found.measure("fde_px", "zero motion").mean == pytest.approx(0.1 * SIZE[0], rel=1e-4)
    assert found.measure("moving_fde_px", "mean motion").mean == pytest.approx(0.0, abs=1e-5)
    assert found.gain("moving_fde_px", "zero motion") == pytest.approx(0.2 / (0.001 * STEPS), rel=1e-3)
    different = mean_motion(drawn, range(5))
    assert np.abs(different).max() < 0.2 / STEPS
    assert set(found.scalars()) >= {"moving_ade_px", "zero_motion/moving_ade_px", "mean_motion/moving_ade_px"}


def test_rows_stand_in_the_order_asked_for_and_images_are_encoded_once(drawn: Drawn) -> None:
    network = Oracle(drawn)
    found = evaluate(network, drawn, [3, 0, 2, 1], SCALE, camera=CAMERA, draws=2, batch=4)
    assert [task.index for task in found.tasks] == [3, 0, 2, 1]
    assert [task.scene for task in found.tasks] == ["image 2", "image 1", "image 1", "image 2"]
    assert [images for images, _ in network.conditioned] == [1, 1]
    np.testing.assert_allclose(
        found.tables["zero motion"].values("moving_fde_px"),
        [0.2 * 64, 0.2 * 64, 0.2 * 48, 0.2 * 48],
        rtol=1e-4,
    )


def test_intervals_take_the_samples_of_a_scene_as_one(drawn: Drawn) -> None:
    network = Oracle(drawn, error=(0.001, 0.0, 0.0))
    one_scene = evaluate(network, drawn, [0, 2], SCALE, camera=CAMERA)
    assert one_scene.measure("moving_fde_px", "zero motion").interval is None
    two_scenes = evaluate(network, drawn, [0, 1], SCALE, camera=CAMERA)
    low, high = two_scenes.measure("moving_fde_px", "zero motion").interval or (0.0, 0.0)
    assert low < two_scenes.measure("moving_fde_px", "zero motion").mean < high


def test_neither_the_batch_nor_the_other_samples_change_a_samples_errors(drawn: Drawn) -> None:
    torch.manual_seed(0)
    network = NanoTraceGen(TINY)
    settings = (SamplerSettings(steps=2),)
    together = evaluate(network, drawn, range(5), SCALE, settings, camera=CAMERA, batch=8, draws=2)
    alone = evaluate(network, drawn, [4, 2], SCALE, settings, camera=CAMERA, batch=1, draws=2)
    for name in ("moving_ade_px", "trace_mse", "hand_cm_8", "spread_moving_px"):
        rows = together.tables[together.network].values(name)
        np.testing.assert_allclose(alone.tables[alone.network].values(name), rows[[4, 2]], rtol=1e-4)
    again = evaluate(network, drawn, range(5), SCALE, settings, camera=CAMERA, batch=8, draws=2)
    assert again.scalars() == together.scalars()


def test_another_seed_or_draw_gives_other_noise() -> None:
    keys = [SampleKey("drawn", *names) for names in (("a", "0"), ("a", "1"), ("b", "0"))]
    seeds = {noise_seed(seed, key, draw) for seed in (0, 1) for key in keys for draw in (0, 1)}
    assert len(seeds) == 12
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert noise_seed(0, keys[0]._replace(dataset="renamed"), 0) == noise_seed(0, keys[0], 0)


def test_predictions_are_the_traces_that_were_measured(drawn: Drawn) -> None:
    torch.manual_seed(0)
    network = NanoTraceGen(TINY)
    found = evaluate(network, drawn, range(5), SCALE, (SamplerSettings(steps=2),), camera=CAMERA)
    increments = predict(network, [drawn[1]], SCALE, SamplerSettings(steps=2))[0]
    together = predict(network, [drawn[3], drawn[1]], SCALE, SamplerSettings(steps=2))
    np.testing.assert_allclose(together[1], increments, atol=1e-6)
    apart = (increments - drawn[1].increments).cumsum(axis=1)[:, -1, :2] * SIZE
    expected = np.linalg.norm(apart[drawn[1].moving], axis=-1).mean()
    assert found.tables[found.network].values("moving_fde_px")[1] == pytest.approx(expected, rel=1e-4)


def test_several_draws_tell_the_best_the_mean_trace_and_the_spread(drawn: Drawn) -> None:
    torch.manual_seed(1)
    network = NanoTraceGen(TINY)
    found = evaluate(network, drawn, range(5), SCALE, (SamplerSettings(steps=1),), camera=CAMERA, draws=4)
    table = found.tables[found.network]
    assert (table.values("best_moving_ade_px") < table.values("moving_ade_px")).all()
    assert (table.values("averaged_moving_fde_px") <= table.values("moving_fde_px") + 1e-6).all()
    drawn_traces = [
        predict(network, [drawn[0]], SCALE, SamplerSettings(steps=1), draw)[0] for draw in range(4)
    ]
    last = np.stack(drawn_traces).astype(float).sum(axis=2)[..., :2] * SIZE
    deviation = np.sqrt(last.var(axis=0, ddof=1).sum(axis=-1))[drawn[0].moving].mean()
    assert table.values("spread_moving_px")[0] == pytest.approx(deviation, rel=1e-4)
    sure = evaluate(
        Oracle(drawn), drawn, range(5), SCALE, (SamplerSettings(steps=1),), camera=CAMERA, draws=3
    )
    assert sure.measure("spread_moving_px").mean == pytest.approx(0.0, abs=1e-5)


def test_guidance_takes_the_empty_sentence_as_null_condition(drawn: Drawn) -> None:
    half = (SamplerSettings(steps=1, guidance=0.5),)
    network = Oracle(drawn)
    found = evaluate(network, drawn, [0], SCALE, half, camera=CAMERA)
    assert network.conditioned[1][1] == ("",)
    assert found.measure("moving_fde_px").mean == pytest.approx(0.1 * SIZE[0], rel=1e-4)


def test_every_wording_is_a_task_on_request_and_the_kinds_are_told_apart(drawn: Drawn) -> None:
    found = evaluate(Oracle(drawn), drawn, range(5), SCALE, camera=CAMERA, wordings="all")
    groups = found.groups("wording")
    assert {name: int(rows.sum()) for name, rows in groups.items()} == {
        "instruction_1": 5,
        "instruction_2": 5,
    }
    assert found.measure("ade_px", rows=groups["instruction_2"]).samples == 5
    assert found.tasks[1].sentence == "kindly do thing 0"


def test_without_depth_there_are_pixels_only_and_a_note_says_so(drawn: Drawn) -> None:
    no_depth = np.array(drawn[0].start_uvz)
    no_depth[:, 2] = np.nan
    flat = Drawn([dataclasses.replace(drawn[0], start_uvz=no_depth)])
    found = evaluate(Oracle(flat), flat, [0], SCALE, camera=CAMERA)
    assert "moving_ade_px" in found.measures()
    assert not {"moving_ade_cm", "hand_cm_8", "object_cm"} & set(found.measures())
    assert "1 of 1 tasks have no depth" in found.notes[0]


def test_unknown_increments_do_not_count(drawn: Drawn) -> None:
    known = np.array(drawn[0].known)
    known[:, 4:] = False
    increments = np.where(known, drawn[0].increments, np.float32(0.0))
    short = Drawn([dataclasses.replace(drawn[0], known=known, increments=increments)])
    found = evaluate(Oracle(short, error=(0.01, 0.0, 0.0)), short, [0], SCALE, camera=CAMERA)
    assert found.measure("fde_px").mean == pytest.approx(4 * 0.01 * SIZE[0], rel=1e-4)
    assert np.isnan(found.tables[found.network].by_step["px"][4:]).all()


def test_an_evaluation_is_plain_json(drawn: Drawn) -> None:
    found = evaluate(Oracle(drawn), drawn, range(5), SCALE, camera=CAMERA)
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert values["measures"]["euler, 10 steps"]["ade_px"]["samples"] == 5
    assert len(values["samples"]) == 5


def test_an_assumed_camera_is_admitted(drawn: Drawn) -> None:
    found = evaluate(Oracle(drawn), drawn, [0], SCALE)
    assert any("assumed camera" in note for note in found.notes)
    named = evaluate(Oracle(drawn), drawn, [0], SCALE, camera=CAMERA)
    assert not named.notes


class Diverging(Oracle):
    def velocity(self, state: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        return torch.full_like(state, torch.inf)


def test_what_cannot_be_measured_is_refused_in_one_line(drawn: Drawn) -> None:
    network = Oracle(drawn)
    with pytest.raises(EvaluationError, match="the split is empty"):
        evaluate(network, drawn, [], SCALE)
    with pytest.raises(EvaluationError, match="draws and batch must be at least 1"):
        evaluate(network, drawn, [0], SCALE, draws=0)
    with pytest.raises(EvaluationError, match="wordings must be one of"):
        evaluate(network, drawn, [0], SCALE, wordings="some")
    with pytest.raises(EvaluationError, match="drawn/episode0/0 are not finite"):
        evaluate(Diverging(drawn), drawn, [0], SCALE)
    longer = Drawn([dataclasses.replace(drawn[0], increments=np.zeros((POINTS, STEPS + 1, 3), np.float32))])
    with pytest.raises(EvaluationError, match=r"does not fit the checkpoint: expected .*\(16, 8, 32\)"):
        evaluate(network, longer, [0], SCALE)
    blind = Drawn([dataclasses.replace(drawn[0], depth_known=False)])
    with pytest.raises(EvaluationError, match="has no depth, and a nano network cannot do without"):
        evaluate(network, blind, [0], SCALE)


def checkpoint(network: Any = TINY, **data: Any) -> CheckpointConfig:
    training = {"settings": {"data": data}} if data else {}
    return CheckpointConfig("tiny", "tiny", network, SCALE, sampler_steps=2, training=training)


def test_the_split_is_that_of_the_training_unless_said_otherwise(episodes: Path) -> None:
    trained = checkpoint(split_by="stem", validation_last=2, folders=["elsewhere/episodes"])
    held_out = open_measured_data(DataChoice([episodes], split="validation"), trained)
    scenes = {held_out.dataset.scene_of(int(index)) for index in held_out.indices}
    assert scenes == {"episodes/scene004", "episodes/scene005"}
    assert not set(held_out.indices) & set(held_out.reference)
    one = open_measured_data(DataChoice([episodes], validation_last=1, split_by="stem"), trained)
    assert {one.dataset.scene_of(int(index)) for index in one.indices} == {"episodes/scene005"}
    everything = open_measured_data(DataChoice([episodes]), trained)
    assert len(everything.indices) == len(everything.dataset)
    assert any("trained on a dataset called episodes" in note for note in everything.notes)


def test_a_limit_spreads_samples_evenly(episodes: Path) -> None:
    few = open_measured_data(DataChoice([episodes], limit=3), checkpoint())
    assert few.indices.tolist() == [0, 5, 11]
    assert few.facts["limit"] == "3 of 12 samples, spread evenly"


def test_packed_samples_have_the_errors_of_the_episodes_they_were_packed_from(
    episodes: Path, tmp_path: Path
) -> None:
    pack_dataset(episodes, tmp_path / "packed", jobs=1, image_side=TINY.image_side)
    torch.manual_seed(0)
    network = NanoTraceGen(TINY)
    errors = []
    for folder in (episodes, tmp_path / "packed"):
        data = open_measured_data(DataChoice([folder], split_by="stem"), checkpoint())
        found = evaluate(network, data.dataset, data.indices, SCALE, (SamplerSettings(steps=2),))
        errors.append(
            {task.key.split("/", 1)[1]: row for task, row in zip(found.tasks, rows_of(found), strict=True)}
        )
    assert errors[0].keys() == errors[1].keys()
    for key, row in errors[0].items():
        assert errors[1][key] == pytest.approx(row, rel=0.01)


def rows_of(found: Evaluation) -> list[float]:
    return found.tables[found.network].values("moving_fde_px").tolist()


def test_data_that_cannot_be_measured_are_refused(episodes: Path, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="does not say how its data were split"):
        open_measured_data(DataChoice([episodes], split="validation"), checkpoint())
    with pytest.raises(EvaluationError, match="validation side of the split is empty"):
        open_measured_data(DataChoice([episodes], validation_last=0), checkpoint())
    with pytest.raises(EvaluationError, match="limit must be at least 1"):
        open_measured_data(DataChoice([episodes], limit=0), checkpoint())
    with pytest.raises(ValueError, match="grid of side 20, found 4"):
        larger = dataclasses.replace(TINY, grid_side=20)
        open_measured_data(DataChoice([episodes]), checkpoint(larger))
    with pytest.raises(ValueError, match="nowhere"):
        open_measured_data(DataChoice([tmp_path / "nowhere"]), checkpoint())


def test_the_published_network_is_measured_too(tmp_path: Path) -> None:
    from tracegen_model.network.networks import build_network
    from tracegen_model.network.tracegen.encoder_weights import EncoderSource

    dataset = EpisodeDataset([write_episodes(tmp_path, 2)], ItemForm.of(TINY_TRACEGEN), jobs=1)
    network = build_network(TINY_TRACEGEN, EncoderSource(random=True))
    found = evaluate(network, dataset, range(len(dataset)), SCALE, (SamplerSettings("heun", 2),))
    assert np.isfinite(found.measure("moving_ade_px").mean)
    assert "hit_object" not in found.measures()


@pytest.mark.parametrize(
    "text",
    [
        '{"fx": 600, "fy": 601, "cx": 320, "cy": 240, "width": 640, "height": 480}',
        "image_width: 640\nimage_height: 480\ncamera_matrix: {rows: 3, cols: 3, data: [600,0,320,0,601,240,0,0,1]}",
        "header: {frame_id: camera}\nheight: 480\nwidth: 640\nk: [600, 0, 320, 0, 601, 240, 0, 0, 1]\n---\n",
    ],
)
def test_cameras_are_read_from_the_usual_files(tmp_path: Path, text: str) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    assert read_camera(path) == CameraIntrinsics(600, 601, 320, 240, 640, 480)


@pytest.mark.parametrize("text", ["", "[1, 2]", "fx: 600", "{", "k: 5\nwidth: 1\nheight: 1", "fx: : :"])
def test_files_that_are_no_cameras_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"camera\.yaml|camera matrix"):
        read_camera(path)
    with pytest.raises(CameraFileError, match=r"none\.yaml"):
        read_camera(tmp_path / "none.yaml")
