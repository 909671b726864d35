"""The newest pair wins, nothing is queued, and nothing is handed out twice."""

from __future__ import annotations

from tracegen_ros.frame_pairing import FramePairing

PERIOD = 66_000_000


def pairing(tolerance_ns: int = 0) -> FramePairing[str, str]:
    return FramePairing(tolerance_ns)


def fill(frames: FramePairing[str, str], *stamps: int) -> None:
    for stamp in stamps:
        frames.add_colour(stamp, f"colour {stamp}")
        frames.add_depth(stamp, f"depth {stamp}")


def test_nothing_is_paired_before_both_images_are_there() -> None:
    frames = pairing()
    assert frames.newest() is None
    frames.add_colour(1, "colour")
    assert frames.newest() is None
    frames.add_depth(1, "depth")
    pair = frames.newest()
    assert pair is not None
    assert (pair.stamp_ns, pair.colour, pair.depth) == (1, "colour", "depth")


def test_the_newest_pair_is_taken_and_older_ones_count_as_dropped() -> None:
    frames = pairing()
    fill(frames, 1, 2, 3)
    pair = frames.newest()
    assert pair is not None and pair.stamp_ns == 3
    frames.take(pair)
    assert frames.dropped == 2
    assert frames.newest() is None


def test_a_newer_colour_image_without_depth_does_not_hide_the_newest_pair() -> None:
    frames = pairing()
    fill(frames, 1)
    frames.add_colour(2, "colour")
    pair = frames.newest()
    assert pair is not None and pair.stamp_ns == 1


def test_a_frame_published_again_is_not_handed_out_again() -> None:
    frames = pairing()
    fill(frames, 5)
    pair = frames.newest()
    assert pair is not None
    frames.take(pair)
    fill(frames, 5)
    assert frames.newest() is None
    assert frames.dropped == 0


def test_stamps_within_the_tolerance_pair_with_the_nearest_depth() -> None:
    frames = pairing(tolerance_ns=10)
    frames.add_depth(93, "far")
    frames.add_depth(104, "near")
    frames.add_colour(100, "colour")
    pair = frames.newest()
    assert pair is not None and pair.depth == "near"
    strict = pairing(tolerance_ns=3)
    strict.add_depth(104, "depth")
    strict.add_colour(100, "colour")
    assert strict.newest() is None


def test_few_images_are_kept_however_many_come() -> None:
    frames = pairing()
    for stamp in range(100):
        frames.add_colour(stamp, "colour")
    frames.add_depth(0, "depth")
    assert frames.newest() is None
    assert frames.dropped == 96


def test_a_clock_that_is_set_back_starts_afresh() -> None:
    frames = pairing()
    fill(frames, 100 * PERIOD)
    pair = frames.newest()
    assert pair is not None
    frames.take(pair)
    fill(frames, 2 * PERIOD)
    restarted = frames.newest()
    assert restarted is not None and restarted.stamp_ns == 2 * PERIOD
