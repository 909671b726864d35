"""Demonstrations on disk: readable as the TraceForge layout, and the same from the same seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fr3_sim.demonstrations import DemonstrationMaker
from tracegen_model.data.episode import EpisodeReader, PointKind


def test_a_scenes_episodes_read_back_and_its_seed_decides_everything(tmp_path: Path) -> None:
    first = DemonstrationMaker(tmp_path / "first", seed=3, visibility=True)
    second = DemonstrationMaker(tmp_path / "second", seed=3)
    assert first.make_scene(5) == second.make_scene(5) > 0
    folders = sorted(folder.name for folder in (tmp_path / "first").iterdir())
    assert folders == sorted(folder.name for folder in (tmp_path / "second").iterdir())
    reader = EpisodeReader(tmp_path / "first" / folders[0])
    again = EpisodeReader(tmp_path / "second" / folders[0])
    assert reader.instructions() == again.instructions()
    assert len(set(reader.instructions())) >= 2
    stem = reader.stems()[0]
    traces, repeated = reader.traces(stem), again.traces(stem)
    assert np.array_equal(traces.traces, repeated.traces)
    assert traces.traces.shape == (400, 33, 3)
    assert np.isfinite(traces.traces).all()
    assert (traces.point_kinds == PointKind.HAND).sum() >= 3
    with np.load(tmp_path / "first" / folders[0] / "samples" / f"{stem}.npz") as sample:
        assert sample["visibility"].shape == (400, 33)
        assert sample["visibility"][:, 0].mean() > 0.95
