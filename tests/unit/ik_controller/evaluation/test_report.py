"""The report is one page that needs nothing beside it, whatever stands in instructions and names."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from ik_controller.evaluation.calibration_flag import CalibrationFinding
from ik_controller.evaluation.charts import line_chart, nice_ticks
from ik_controller.evaluation.evaluation import Drawable, Evaluation, Row
from ik_controller.evaluation.measures import definition, measure_names
from ik_controller.evaluation.pictures import WORST_KEPT, Album
from ik_controller.evaluation.recording import JointTrack, RecordedFrame, Window
from ik_controller.evaluation.report import BagSummary, Report
from ik_controller.evaluation.trace_errors import WeightedValue
from tracegen_model.trace_grid import TraceGrid

TASK_S = 20.0
HOSTILE = 'put </script><b>"it"</b> & go'
VOID = {"meta", "br", "img", "link", "hr", "input", "line", "circle"}


class Page(HTMLParser):
    """Checks that elements are closed in order, and collects addresses and scripts' contents."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.bold = 0
        self.data: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        self.bold += tag == "b"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.data.append(data)


def instruction(number: int) -> str:
    """Each window is of a task of its own."""
    return f"{HOSTILE} {number}"


def window(number: int) -> Window:
    image = np.full((48, 64, 3), 128, np.uint8)
    frames = tuple(
        RecordedFrame(TASK_S * number + step, step, image, np.ones((48, 64), np.float32), instruction(number))
        for step in (0, 1)
    )
    return Window("bag <1>", frames, JointTrack(np.array([0.0, 99.0]), np.zeros((2, 7))), frames[1].time_s)


def judged(number: int, model: str, error: float) -> tuple[Row, Drawable]:
    measures = {
        "hand_fde_cm_arc": WeightedValue(error, 1.0),
        "hand_ade_cm_arc": WeightedValue(error / 2, 1.0),
        "feasible": WeightedValue(1.0, 1.0),
    }
    row = Row(
        model,
        "bag <1>",
        instruction(number),
        window(number).start.time_s,
        measures,
        np.array([0.0, error]),
        {"sample": 0.02},
        5,
        2,
    )
    grid = TraceGrid(np.ones((2, 3, 3)), np.full((2, 3, 2), 20.0))
    return row, Drawable(grid.pixels.astype(float), grid.points_in_camera.astype(float), grid)


@pytest.fixture(scope="module")
def report() -> Report:
    album = Album(lambda image, traces: image)
    rows = []
    for number in range(9):
        of_window = [judged(number, "one & only", 1.0 + number), judged(number, "other", 3.0 + number)]
        album.add(window(number), of_window)
        rows += [row for row, _ in of_window]
    finding = CalibrationFinding(np.array([0.03, 0.0, 0.0]), 0.001, 9, True, "the hand is seen 30 mm off")
    bag = BagSummary("bag <1>", 30.0, 9, finding, ["it is cut off"], {"git": "abc"})
    return Report("A <title>", Evaluation(rows), [bag], album, ["one & only: too much"], {"seed": "0"})


def test_the_page_is_well_formed_and_asks_nobody_for_anything(report: Report) -> None:
    text = report.render()
    page = Page(text)
    assert not page.open and page.bold == 0
    assert page.addresses and all(address.startswith("data:image/jpeg;base64,") for address in page.addresses)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)


def test_what_is_wrong_stands_on_top_and_the_worst_windows_come_first(report: Report) -> None:
    text = report.render()
    places = [
        text.index(words)
        for words in (
            "one &amp; only: too much",
            "30 mm off",
            "it is cut off",
            "Worst windows of",
            "All measures",
        )
    ]
    assert places == sorted(places)
    shown = [shot.errors["one & only"] for shot in report.album.worst("one & only")]
    assert shown == [9.0, 8.0, 7.0, 6.0, 5.0, 4.0][:WORST_KEPT]


def test_every_window_can_be_scrubbed_to_with_its_error_in_each_model(report: Report) -> None:
    frames = json.loads(next(data for data in Page(report.render()).data if data.startswith("[")))
    assert len(frames) == 9
    assert frames[2]["instruction"] == instruction(2)
    assert frames[2]["errors"] == ["3.00", "5.00"]
    assert all(source.startswith("data:") for source in [frames[2]["truth"], *frames[2]["predictions"]])


def test_the_verdict_names_the_worse_model(report: Report) -> None:
    assert "final" not in report.failures
    verdicts = {one.measure: one for one in report.comparisons()}
    assert verdicts["hand_fde_cm_arc"].better == "one & only"
    assert verdicts["feasible"].better == ""
    assert "other is worse than one &amp; only by 2.00 cm" in report.render()


def test_few_recordings_have_no_verdict_but_what_is_missing(report: Report) -> None:
    rows = [row for row in report.evaluation.rows if row.time_s < 4 * TASK_S]
    text = Report("short", Evaluation(rows), report.bags, report.album, [], {}).render()
    assert "too few independent stretches to tell (3, at least 5 are needed)" in text
    assert "is worse than" not in text and "no difference can be told" not in text


def test_json_holds_what_the_page_says(report: Report, tmp_path: Path) -> None:
    page = report.write(tmp_path / "new" / "folder")
    values = json.loads((page.parent / "results.json").read_text())
    assert values["bags"][0]["calibration"] == {
        "suspicious": True,
        "offset_mm": pytest.approx(30.0),
        "images": 9,
        "words": "the hand is seen 30 mm off",
    }
    assert values["failures"] == ["one & only: too much"]
    assert values["models"]["other"]["measures"]["hand_fde_cm_arc"]["mean"] == pytest.approx(7.0)


def test_charts_are_drawings_even_where_values_are_missing() -> None:
    x = np.arange(5.0)
    chart = line_chart({"a": (x, np.array([1.0, np.nan, 2.0, 3.0, np.nan]))}, "x", "y <cm>", dots=True)
    root = ElementTree.fromstring(chart)
    assert len(root.findall("circle")) == 3 and len(root.findall("path")) == 1
    assert line_chart({"a": (x, np.full(5, np.nan))}, "x", "y") == ""
    assert nice_ticks(0.0, 7.3) == [0.0, 2.0, 4.0, 6.0, 8.0]


def test_every_measure_is_defined() -> None:
    assert all(definition(name).meaning for name in measure_names())
    with pytest.raises(KeyError):
        definition("hand_ade_mm_arc")
