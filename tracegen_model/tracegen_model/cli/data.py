"""``tracegen data``: look at datasets, pack them, draw synthetic ones."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

logger = logging.getLogger(__name__)


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the commands to ``commands``."""
    data = commands.add_parser("data", help="inspect, pack and synthesise datasets")
    parts = data.add_subparsers(dest="part", required=True, metavar="PART")
    _add_inspect(parts)
    _add_pack(parts)
    _add_synthesise(parts)


def _add_inspect(parts: argparse._SubParsersAction) -> None:
    inspect = parts.add_parser(
        "inspect",
        help="validate folders of episodes and say what is in them",
        description="Reads every file, names each broken one with the reason, and counts what there is. The exit "
        "status is 1 when something is broken.",
    )
    inspect.add_argument("folders", type=Path, nargs="+", help="folders of episodes (TraceForge layout)")
    inspect.add_argument("--out", type=Path, default=None, help="write report.json and drawn samples here")
    inspect.add_argument(
        "--samples", type=int, default=16, help="samples that are drawn (default: %(default)s)"
    )
    inspect.add_argument(
        "--skip-broken", action="store_true", help="name what is broken, but do not fail because of it"
    )
    inspect.add_argument("--json", action="store_true", help="print JSON instead of a table")
    inspect.add_argument("--jobs", type=int, default=None, help="processes (default: one per core)")
    inspect.set_defaults(run=_inspect)


def _add_pack(parts: argparse._SubParsersAction) -> None:
    pack = parts.add_parser("pack", help="pack a folder of episodes into memory-mapped arrays")
    pack.add_argument("dataset", type=Path, help="folder of episodes (TraceForge layout)")
    pack.add_argument("output", type=Path, help="folder for the arrays")
    pack.add_argument(
        "--preset", default="nano", help="network preset that the arrays are for (default: %(default)s)"
    )
    pack.add_argument("--jobs", type=int, default=None, help="processes (default: one per core)")
    pack.add_argument("--scenes", type=int, default=None, help="pack the first scenes only")
    pack.set_defaults(run=_pack)


def _add_synthesise(parts: argparse._SubParsersAction) -> None:
    synthesise = parts.add_parser(
        "synthesise", help="draw episodes whose motion follows from image and sentence"
    )
    synthesise.add_argument("output", type=Path, help="folder for the episodes")
    synthesise.add_argument("--episodes", type=int, default=200, help="how many (default: %(default)s)")
    synthesise.add_argument(
        "--side", type=int, default=384, help="side of the images [px] (default: %(default)s)"
    )
    synthesise.add_argument("--seed", type=int, default=0, help="draws other episodes (default: %(default)s)")
    synthesise.set_defaults(run=_synthesise)


def _inspect(options: argparse.Namespace) -> int:
    from tracegen_model.data.inspection import inspect_folders
    from tracegen_model.data.inspection_sheets import draw_samples
    from tracegen_model.data.inspection_summary import summarise

    episodes = inspect_folders(options.folders, options.jobs)
    summary = summarise(options.folders, episodes)
    report = json.dumps(summary.as_dict(), indent=2, ensure_ascii=False)
    print(report if options.json else summary.text())
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "report.json").write_text(report + "\n", encoding="utf-8")
        if summary.samples:
            _write_sheets(options.out, *draw_samples(episodes, options.samples))
    return 1 if summary.problems and not options.skip_broken else 0


def _write_sheets(folder: Path, traces, depth) -> None:  # type: ignore[no-untyped-def]  # numpy loads when needed
    import cv2

    for name, sheet in (("samples.png", traces), ("depth.png", depth)):
        if sheet is not None:
            if not cv2.imwrite(str(folder / name), sheet[..., ::-1]):
                raise OSError(f"{folder / name} cannot be written")
            logger.info("drew %s", folder / name)


def _pack(options: argparse.Namespace) -> None:
    from tracegen_model.data.packing import pack_dataset
    from tracegen_model.network.presets import preset

    network = preset(options.preset)
    dataset = pack_dataset(
        options.dataset,
        options.output,
        jobs=options.jobs,
        image_side=network.image_side,
        max_scenes=options.scenes,
        preparation=network.preparation,
        horizon=network.horizon,
    )
    logger.info(
        "%d images and %d samples of %d scenes in %s",
        dataset.image_count,
        dataset.sample_count,
        len(dataset.scenes),
        options.output,
    )


def _synthesise(options: argparse.Namespace) -> None:
    from tracegen_model.data.synthetic_episodes import SyntheticSizes, write_synthetic_episodes

    if options.side < 32:
        raise ValueError(f"expected --side of 32 px or more, found {options.side}")
    folders = write_synthetic_episodes(
        options.output, options.episodes, SyntheticSizes(side=options.side), options.seed
    )
    logger.info("%d episodes in %s", len(folders), options.output)
