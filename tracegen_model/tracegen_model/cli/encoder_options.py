"""The options that say where pretrained encoders are, for every command that loads a checkpoint."""

from __future__ import annotations

import argparse

from tracegen_model.network.tracegen.encoder_weights import EncoderSource

TOWERS = ("dinov3", "siglip", "t5")
"""Pretrained encoders that can be named."""


def add_encoder_options(parser: argparse._ActionsContainer) -> None:
    """Add the options to ``parser``, a command's or a group of its."""
    parser.add_argument(
        "--encoders",
        nargs="+",
        default=(),
        metavar="TOWER=PLACE",
        help=f"where pretrained encoders are, {', '.join(TOWERS)}: a file, a folder or a name at Hugging Face",
    )
    parser.add_argument(
        "--random-encoders", action="store_true", help="random encoders, for tests and timing only"
    )


def encoder_source(options: argparse.Namespace) -> EncoderSource | None:
    """Where pretrained encoders come from; None = where the checkpoint says.

    Raises:
        ValueError: An option does not name a tower and a place.
    """
    named: dict[str, str] = {}
    for part in options.encoders:
        tower, _, place = part.partition("=")
        if tower not in TOWERS or not place:
            raise ValueError(
                f"--encoders: expected TOWER=PLACE with a tower of {', '.join(TOWERS)}, got {part!r}"
            )
        named[tower] = place
    if not named and not options.random_encoders:
        return None
    return EncoderSource(
        dinov3=named.get("dinov3"),
        siglip=named.get("siglip"),
        t5=named.get("t5"),
        random=options.random_encoders,
    )
