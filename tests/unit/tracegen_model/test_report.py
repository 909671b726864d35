"""``tracegen eval`` measures a checkpoint and writes one page that needs nothing beside it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from tracegen_model import cli
from tracegen_model.evaluation.definitions import definition, format_value
from tracegen_model.evaluation.evaluation import ASSUMED_CAMERA, ErrorTable, Evaluation, SamplerSettings, Task
from tracegen_model.evaluation.report import Example, choose_examples, render
from tracegen_model.network.checkpoint import save_checkpoint
from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen
from tracegen_model.network.networks import build_network
from tracegen_model.network.tracegen.encoder_weights import EncoderSource

from .conftest import TINY, TINY_TRACEGEN, write_episodes

VOID = {"meta", "br", "img", "link", "hr"}
"""Elements without an end tag."""


class Page(HTMLParser):
    """Checks that elements are closed in order, and collects text and addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.scripts = 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Episodes, a nano checkpoint and a published one, all tiny."""
    folder = tmp_path_factory.mktemp("eval")
    write_episodes(folder / "episodes", 4)
    torch.manual_seed(0)
    nano = NanoTraceGen(TINY)
    config = CheckpointConfig("tiny <nano>", "nano", TINY, (0.02, 0.02, 0.02), sampler_steps=2)
    save_checkpoint(folder / "nano", config, nano.state_dict())
    return folder


def run(*arguments: str | Path) -> int:
    return cli.main(["eval", *map(str, arguments)])


@pytest.fixture(scope="module")
def report(root: Path) -> Path:
    out = root / "report"
    assert run(root / "nano", root / "episodes", "--out", out, "--steps", "2", "1", "--wordings", "all") == 0
    return out


def test_the_page_is_whole_and_needs_nothing_beside_it(report: Path) -> None:
    text = (report / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert page.scripts == 0
    assert page.addresses
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert not re.search(r"url\((?!#)|@import", text)
    assert len(text) < 10e6
    plots = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    assert len(plots) == 3
    for plot in plots:
        ElementTree.fromstring(plot)
        assert "var(--series-0)" in plot
        assert "#0102" not in plot


def test_the_page_says_what_was_measured_and_how(report: Path) -> None:
    words = " ".join(Page((report / "report.html").read_text(encoding="utf-8")).words)
    for expected in (
        "tiny <nano>",  # names are escaped
        "zero motion",
        "mean motion",
        "assumed: colour stream of a RealSense D435",
        "SHA-256 of model.safetensors",
        "kind of instruction",
        "move the red block",
        "16 of 8 scenes",
        "Worst",
        "the network is evaluated 2 times",
    ):
        assert expected in words


def test_the_numbers_are_kept_beside_the_page(report: Path) -> None:
    values = json.loads((report / "measures.json").read_text(encoding="utf-8"))
    assert list(values["measures"]) == ["euler, 2 steps", "euler, 1 step", "zero motion", "mean motion"]
    row = values["measures"]["euler, 2 steps"]["moving_ade_px"]
    low, high = row["interval"]
    assert low <= row["mean"] <= high
    assert len(values["samples"]) == 16
    assert {sample["wording"] for sample in values["samples"]} == {"instruction_1", "instruction_2"}


def test_the_same_command_finds_the_same(root: Path, report: Path) -> None:
    assert (
        run(
            root / "nano",
            root / "episodes",
            "--out",
            root / "again",
            "--steps",
            "2",
            "1",
            "--wordings",
            "all",
        )
        == 0
    )
    found, again = (json.loads((folder / "measures.json").read_text()) for folder in (report, root / "again"))
    assert found["measures"] == again["measures"]
    assert found["samples"] == again["samples"]


def test_measures_are_printed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root / "nano", root / "episodes", "--limit", "2") == 0
    printed = capsys.readouterr().out
    assert re.search(r"moving_fde_px +\d", printed)
    assert "euler, 2 steps" in printed.splitlines()[0]


def test_a_published_checkpoint_is_measured_with_random_encoders_and_says_so(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = build_network(TINY_TRACEGEN, EncoderSource(random=True, seed=5))
    frozen = network.frozen_parameters()
    weights = {name: tensor for name, tensor in network.state_dict().items() if name not in frozen}
    config = CheckpointConfig(
        "tiny", "base", TINY_TRACEGEN, (0.05, 0.05, 0.04), 1, encoders=network.encoder_digests()
    )
    save_checkpoint(root / "published", config, weights)
    assert run(root / "published", root / "episodes", "--random-encoders", "--limit", "2") == 0
    assert "The encoders are random" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "episodes"], "no checkpoint"),
        (["nano", "nowhere"], "nowhere"),
        (["nano", "episodes", "--split", "validation"], "does not say how its data were split"),
        (["nano", "episodes", "--validation-last", "0"], "validation side of the split is empty"),
        (["nano", "episodes", "--validation-last", "8"], "validation_last"),
        (["nano", "episodes", "--method", "magic"], "no sampling method 'magic'"),
        (["nano", "episodes", "--steps", "0"], "at least 1 step"),
        (["nano", "episodes", "--samples", "0"], "draws and batch must be at least 1"),
        (["nano", "episodes", "--guidance", "2"], "condition_dropout"),
        (["nano", "episodes", "--camera", "no_camera"], "no_camera"),
        (["nano", "episodes", "--encoders", "dino=x"], "expected TOWER=PLACE"),
        (["nano", "episodes", "--device", "abacus"], "abacus"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(root)
    assert run(*arguments) == 1
    (error,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert message in error
    assert "\n" not in error


def test_missing_encoders_are_named_in_one_line(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    empty = root / "empty"
    empty.mkdir()
    config = CheckpointConfig("tiny", "base", TINY_TRACEGEN, (0.05, 0.05, 0.04), 1)
    save_checkpoint(root / "bare", config, {})
    assert run(root / "bare", root / "episodes", "--encoders", f"dinov3={empty}") == 1
    (error,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert f"dinov3: the folder {empty} holds no model.safetensors" in error


def evaluation_of(errors: list[float], sentences: list[str]) -> Evaluation:
    tasks = [Task(i, f"d/e{i}/{i}", "d", f"s{i}", "", sentence) for i, sentence in enumerate(sentences)]
    values = np.asarray(errors)
    present = np.isfinite(values)
    table = ErrorTable(
        {"moving_fde_px": np.where(present, values, 0.0), "moving_ade_px": np.where(present, values, 0.0)},
        {"moving_fde_px": present.astype(float), "moving_ade_px": present.astype(float)},
        {"moving_px": np.array([1.0, np.nan])},
    )
    return Evaluation(tasks, {"euler": SamplerSettings()}, [], {"euler": table}, 1, 0, ASSUMED_CAMERA)


def test_worst_and_best_tasks_are_shown_and_none_twice() -> None:
    errors = [float(error) for error in np.random.default_rng(0).permutation(30)]
    found = evaluation_of([*errors, float("nan")], ["x"] * 31)
    chosen = choose_examples(found)
    assert [errors[row] for row in chosen["worst"]] == [29, 28, 27, 26, 25, 24]
    assert [errors[row] for row in chosen["best"]] == [0, 1, 2, 3]
    shown = [row for rows in chosen.values() for row in rows]
    assert len(shown) == len(set(shown)) == 14
    assert 30 not in shown


def test_sentences_cannot_smuggle_markup_into_the_page() -> None:
    evil = "<script>alert(1)</script><img src=http://example.org>"
    found = evaluation_of([1.0, 2.0, 3.0], [evil, evil, "x"])
    example = Example(0, np.zeros((8, 16, 3), np.uint8))
    page = Page(render(evil, found, {"worst": [example]}, {"Checkpoint": {"name": evil}}))
    assert page.scripts == 0
    assert all(address.startswith(("data:", "#")) for address in page.addresses)


def test_every_measure_has_a_meaning_and_numbers_are_readable(report: Path) -> None:
    values = json.loads((report / "measures.json").read_text(encoding="utf-8"))
    for measures in values["measures"].values():
        for name in measures:
            assert definition(name).meaning.endswith(".")
    assert format_value(0.98765, "%") == "98.8"
    assert format_value(1.2345, "cm") == "1.23"
    assert format_value(0.000123, "cm") == "1.23e-04"
    assert format_value(0.5, "") == "5.00e-01"
    assert format_value(float("nan"), "px") == "–"
    with pytest.raises(KeyError):
        definition("happiness")
