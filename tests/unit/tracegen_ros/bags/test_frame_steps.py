"""A recording is cut so that a frame is shown when all that a decision on it needs has been said."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tracegen_ros.bags.frame_ledger import FrameLedger
from tracegen_ros.bags.frame_steps import Step, cut_into_steps
from tracegen_ros.bags.recorded import RecordedMessage
from tracegen_ros.bags.recording import Entry, Role

MS = 1_000_000
TOLERANCE_NS = 10 * MS
COLOUR, DEPTH, JOINTS, WORDS = Role.COLOUR, Role.DEPTH, Role.JOINT_STATES, Role.INSTRUCTION


def recorded(*said: tuple[Role, int]) -> list[Entry]:
    """Entries of (role, stamp [ms]) in the order in which they were received."""
    entries, time_ns = [], 0
    for role, stamp_ms in said:
        stamp_ns = None if role is WORDS else stamp_ms * MS
        time_ns = stamp_ms * MS if abs(stamp_ms * MS - time_ns) > 1e9 else max(time_ns, stamp_ms * MS)
        entries.append(Entry(RecordedMessage(role, "", time_ns, b""), role, stamp_ns, time_ns))
    return entries


def told(steps: list[Step]) -> list[object]:
    """Roles and stamps [ms] of what is said, and frames as (stamp [ms], joints known)."""
    found: list[object] = []
    for step in steps:
        found += [
            f"{entry.role} {entry.stamp_ns // MS}" if entry.stamp_ns is not None else str(entry.role)
            for entry in step.before
        ]
        if step.frame is not None:
            found.append((step.frame.stamp_ns // MS, step.frame.joints_known))
    return found


def cut(*said: tuple[Role, int]) -> list[object]:
    return told(list(cut_into_steps(recorded(*said), TOLERANCE_NS)))


def test_the_joint_state_that_a_frame_needs_is_said_before_it_and_no_later_one() -> None:
    said = cut((JOINTS, 90), (COLOUR, 100), (DEPTH, 100), (JOINTS, 99), (JOINTS, 104), (JOINTS, 110))
    assert said == ["joint_states 90", "joint_states 99", "joint_states 104", (100, True), "joint_states 110"]


def test_joint_states_received_before_the_images_stay_before_them() -> None:
    said = cut((JOINTS, 100), (JOINTS, 110), (COLOUR, 100), (DEPTH, 100), (JOINTS, 120))
    assert said == ["joint_states 100", "joint_states 110", (100, True), "joint_states 120"]


def test_an_instruction_received_after_the_images_is_said_after_the_frame() -> None:
    said = cut(
        (COLOUR, 100), (DEPTH, 100), (WORDS, 100), (JOINTS, 100), (COLOUR, 200), (DEPTH, 200), (JOINTS, 200)
    )
    assert said == ["joint_states 100", (100, True), "instruction", "joint_states 200", (200, True)]


def test_the_nearest_depth_image_within_the_tolerance_belongs_to_a_colour_image() -> None:
    said = cut(
        (JOINTS, 400), (DEPTH, 95), (COLOUR, 100), (DEPTH, 103), (COLOUR, 200), (DEPTH, 211), (JOINTS, 1500)
    )
    assert said[:3] == ["joint_states 400", (100, True), "depth 95"], "the others must not be paired with it"
    assert "colour 200" in said and "depth 211" in said, "images without a partner are said, and are no frame"


def test_an_image_that_was_shown_again_is_one_frame() -> None:
    said = cut((JOINTS, 100), *[(COLOUR, 100), (DEPTH, 100)] * 3, (JOINTS, 200), (COLOUR, 200), (DEPTH, 200))
    assert [frame for frame in said if isinstance(frame, tuple)] == [(100, True), (200, True)]


def test_frames_without_joint_states_are_frames_all_the_same() -> None:
    said = cut(*[(role, stamp) for stamp in range(100, 3000, 100) for role in (COLOUR, DEPTH)])
    assert said == [(stamp, False) for stamp in range(100, 3000, 100)]


def test_a_clock_that_was_set_back_begins_anew() -> None:
    first = [(JOINTS, 5000), (COLOUR, 5000), (DEPTH, 5000)]
    said = cut(*first, (JOINTS, 100), (COLOUR, 100), (DEPTH, 100), (JOINTS, 200), (COLOUR, 200), (DEPTH, 200))
    frames = [frame for frame in said if isinstance(frame, tuple)]
    assert frames == [(5000, True), (100, True), (200, True)]


def test_nothing_is_lost_and_nothing_comes_twice() -> None:
    said = [
        (role, stamp + late)
        for stamp in range(0, 4000, 66)
        for role, late in ((JOINTS, 0), (DEPTH, 1), (JOINTS, 10), (COLOUR, 2), (WORDS, 0), (JOINTS, 20))
    ]
    entries = recorded(*said)
    steps = list(cut_into_steps(entries, TOLERANCE_NS))
    frames = [step.frame for step in steps if step.frame is not None]
    passed = [entry for step in steps for entry in step.before]
    passed += [entry for frame in frames for entry in (frame.colour, frame.depth)]
    assert sorted(map(id, passed)) == sorted(map(id, entries))
    for role in (JOINTS, WORDS):
        order = [entries.index(entry) for step in steps for entry in step.before if entry.role is role]
        assert all(one < other for one, other in pairwise(order)), f"{role} keep their order"


@pytest.mark.parametrize("instruction", ["", "lift"])
def test_a_frame_is_owed_an_answer_when_there_is_something_to_do(instruction: str) -> None:
    ledger = FrameLedger()
    ledger.instruct(instruction)
    ledger.show(1)
    assert ledger.owed_ns == (1 if instruction else None)


def test_the_last_frame_waits_for_an_instruction_and_is_answered_once() -> None:
    ledger = FrameLedger()
    ledger.show(1)
    ledger.show(2)
    ledger.instruct("lift")
    assert ledger.owed_ns == 2
    ledger.settle()
    ledger.instruct("drop")
    assert ledger.owed_ns is None
