"""What a replay is put together from: who said what, how long things are waited for, how time passes."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import PointCloud2
from trajectory_msgs.msg import JointTrajectory

from tracegen_ros.bags.frame_ledger import FrameLedger
from tracegen_ros.bags.frame_steps import Frame
from tracegen_ros.bags.recorded import RecordedMessage
from tracegen_ros.bags.recording import CLOCK_SET_BACK_NS, Entry, Role
from tracegen_ros.messages import Level, encode_diagnostics, encode_header
from tracegen_ros.nodes import frame_answer
from tracegen_ros.nodes.frame_answer import FrameAnswer
from tracegen_ros.nodes.kept_interrupt import KeptInterrupt
from tracegen_ros.nodes.node_words import MOTION_HEALTH, TRACE_HEALTH, NodeWords
from tracegen_ros.nodes.patience import Patience, ReplayError
from tracegen_ros.nodes.recorded_publishers import quality_of
from tracegen_ros.nodes.replay_clock import LONGEST_PAUSE_S, Pace
from tracegen_ros.nodes.typed_instruction import TypedInstruction

MS = 1_000_000
STAMP_NS = 100 * MS


def say(
    words: NodeWords, name: str, level: Level, sentence: str, stamp_ns: int = STAMP_NS, **values: object
) -> None:
    words.hear(encode_diagnostics(name, level, sentence, values, encode_header(stamp_ns, ""), "test"))


def two_nodes() -> NodeWords:
    return NodeWords((TRACE_HEALTH, MOTION_HEALTH))


def test_nodes_are_active_when_each_has_said_so() -> None:
    words = two_nodes()
    say(words, TRACE_HEALTH, Level.OK, "predicting")
    assert not words.all_active and f"{MOTION_HEALTH} says nothing; is it running?" in str(words)
    say(words, MOTION_HEALTH, Level.OK, "inactive")
    assert not words.all_active
    say(words, MOTION_HEALTH, Level.OK, "waiting for traces")
    assert words.all_active
    assert str(words) == f"{TRACE_HEALTH} says 'predicting'; {MOTION_HEALTH} says 'waiting for traces'"


def test_an_instruction_is_taken_when_both_nodes_name_it_and_what_they_said_before_does_not_count() -> None:
    words = two_nodes()
    say(words, TRACE_HEALTH, Level.OK, "", instruction="lift")
    assert not words.all_took("lift", since_s=0.0)
    say(words, MOTION_HEALTH, Level.OK, "", task="lift")
    assert words.all_took("lift", since_s=0.0)
    assert not words.all_took("push", since_s=0.0)
    assert not words.all_took("lift", since_s=time.monotonic())


def test_a_clock_is_taken_back_when_no_node_tells_a_later_time() -> None:
    words = two_nodes()
    say(words, TRACE_HEALTH, Level.OK, "", 5 * MS)
    say(words, MOTION_HEALTH, Level.OK, "", 7 * MS)
    assert words.all_at_most(7 * MS, since_s=0.0)
    assert not words.all_at_most(6 * MS, since_s=0.0)
    assert not words.all_at_most(7 * MS, since_s=time.monotonic())


def test_what_is_waited_for_in_vain_is_named_with_what_the_nodes_say() -> None:
    spun: list[float] = []
    patience = Patience(spun.append, 0.01, lambda: "nobody is there")
    patience.wait(lambda: len(spun) == 3, "three rounds")
    with pytest.raises(ReplayError, match=r"waited 0\.01 s in vain for a wonder; nobody is there"):
        patience.wait(lambda: False, "a wonder")


def test_the_replays_own_sentences_come_back_and_any_other_was_typed() -> None:
    typed = TypedInstruction()
    for text in ("lift", "push", "lift", "pull"):
        typed.say(text)
    assert typed.is_own("push")
    assert not typed.is_own("push"), "it was said once"
    assert typed.is_own("pull")
    assert not typed.is_own("lift"), "it was said before what was heard last, and does not come any more"
    assert not typed.given
    assert TypedInstruction("stack").given and not TypedInstruction("").given


@pytest.mark.parametrize(
    ("role", "latched", "expected"),
    [
        (Role.COLOUR, False, (ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)),
        (Role.DEPTH_INFO, True, (ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)),
        (Role.INSTRUCTION, False, (ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)),
        (Role.TF_STATIC, False, (ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)),
        (Role.OUTPUT, True, (ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)),
        (Role.TRACES, False, None),
        (Role.JOINT_STATES, False, None),
    ],
)
def test_images_are_best_effort_and_what_holds_is_latched(
    role: Role, latched: bool, expected: tuple[ReliabilityPolicy, DurabilityPolicy] | None
) -> None:
    quality = quality_of(role, latched=latched)
    if expected is None:
        assert not isinstance(quality, QoSProfile) or quality.durability is DurabilityPolicy.VOLATILE
    else:
        assert isinstance(quality, QoSProfile)
        assert (quality.reliability, quality.durability) == expected


class Clock:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.told: list[int] = []
        self.back: list[int] = []

    def tell(self, time_ns: int) -> None:
        self.now_ns = time_ns
        self.told.append(time_ns)

    def set_back(self, time_ns: int) -> None:
        self.now_ns = time_ns
        self.back.append(time_ns)

    def set_back_unless_late(self, time_ns: int) -> None:
        if time_ns < self.now_ns - CLOCK_SET_BACK_NS:
            self.set_back(time_ns)


class Passing:
    """Wall time that passes while messages are moved, and at no other time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 50.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now_s)

    def spin(self, seconds: float) -> None:
        self.now_s += seconds


def test_the_recordings_time_passes_at_its_rate_and_a_gap_is_shortened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, passing, log = Clock(), Passing(monkeypatch), list[str]()
    pace = Pace(clock, passing.spin, ticks=True, log=log.append)
    pace.begin(1000 * MS)
    began_s = passing.now_s
    pace.keep(1100 * MS, rate=2.0)
    assert passing.now_s - began_s == pytest.approx(0.05)
    assert clock.told and np.all(np.diff(clock.told) > 0) and 1000 * MS < clock.told[0] < 1100 * MS
    pace.keep(1100 * MS + int((LONGEST_PAUSE_S + 1.0) * 1e9), rate=1.0)
    assert passing.now_s - began_s == pytest.approx(0.05)
    assert log == ["3.0 s without anything recorded are passed over"]


@pytest.mark.parametrize("rate", [0.1, 1.0, 10.0])
def test_what_is_a_gap_does_not_depend_on_the_rate(rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, passing, log = Clock(), Passing(monkeypatch), list[str]()
    pace = Pace(clock, passing.spin, ticks=False, log=log.append)
    pace.begin(0)
    began_s = passing.now_s
    pause_ns = int(0.9 * LONGEST_PAUSE_S * 1e9)
    pace.keep(pause_ns, rate)
    assert passing.now_s - began_s == pytest.approx(0.9 * LONGEST_PAUSE_S / rate)
    assert not log
    pace.keep(pause_ns + int(1.1 * LONGEST_PAUSE_S * 1e9), rate)
    assert passing.now_s - began_s == pytest.approx(0.9 * LONGEST_PAUSE_S / rate)
    assert log == ["2.2 s without anything recorded are passed over"]


def test_a_pass_that_begins_again_sets_the_clock_back_and_a_late_message_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, passing = Clock(), Passing(monkeypatch)
    pace = Pace(clock, passing.spin, ticks=False, log=print)
    clock.tell(9000 * MS)
    pace.begin(5000 * MS)
    assert clock.back == [5000 * MS]
    clock.tell(5000 * MS)
    pace.keep(4500 * MS, rate=1.0)
    assert clock.back == [5000 * MS]
    pace.keep(1000 * MS, rate=1.0)
    assert clock.back == [5000 * MS, 1000 * MS]


class Waiting:
    """A frame of ``STAMP_NS`` is shown; ``events`` happen one a round of moving messages."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, joints_known: bool = True, decides: bool = True
    ) -> None:
        self.events: list[object] = []
        self.shown_again = 0
        self.words = two_nodes()
        self.passing = Passing(monkeypatch)
        ledger = FrameLedger()
        ledger.instruct("lift")
        ledger.show(STAMP_NS)
        patience = Patience(self._spin, 20.0, lambda: str(self.words))
        self.answer = FrameAnswer(ledger, self.words, patience, lambda: decides)
        image = Entry(RecordedMessage("", "", 0, b""), Role.COLOUR, STAMP_NS, STAMP_NS)
        self.answer.expect(Frame(STAMP_NS, image, image, joints_known))

    def _spin(self, seconds: float) -> None:
        self.passing.spin(1.1)
        if self.events:
            self.events.pop(0)()

    def wait(self) -> str | None:
        def show(frame: Frame) -> None:
            self.shown_again += 1

        return self.answer.wait(show)

    def traces(self, stamp_ns: int = STAMP_NS) -> None:
        self.answer.hear_traces(PointCloud2(header=encode_header(stamp_ns, "")))

    def command(self, stamp_ns: int = STAMP_NS) -> None:
        self.answer.hear_command(JointTrajectory(header=encode_header(stamp_ns, "")))


def test_a_frame_is_answered_by_its_own_traces_and_the_command_that_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = Waiting(monkeypatch)
    late_ns = STAMP_NS - MS
    waiting.events = [
        lambda: waiting.traces(late_ns),
        lambda: waiting.command(late_ns),
        waiting.traces,
        waiting.command,
    ]
    assert waiting.wait() is None
    assert not waiting.events
    assert waiting.answer.traces is not None and waiting.answer.command is not None
    assert waiting.shown_again == 2, "only while there are no traces"


@pytest.mark.parametrize(("joints_known", "decides"), [(False, True), (True, False)])
def test_traces_alone_are_the_answer_where_nothing_is_decided(
    monkeypatch: pytest.MonkeyPatch, joints_known: bool, decides: bool
) -> None:
    waiting = Waiting(monkeypatch, joints_known=joints_known, decides=decides)
    waiting.events = [waiting.traces]
    assert waiting.wait() is None and waiting.answer.command is None


def test_an_error_that_stays_is_the_reason_and_one_that_may_pass_is_waited_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = Waiting(monkeypatch)
    rounds = int(frame_answer.GIVE_UP_S / 1.1) + 2
    waiting.events = [lambda: say(waiting.words, TRACE_HEALTH, Level.ERROR, "size mismatch")] * rounds
    assert waiting.wait() == "size mismatch"
    waiting = Waiting(monkeypatch)
    waiting.events = [lambda: say(waiting.words, TRACE_HEALTH, Level.ERROR, "loading the model")] * rounds
    waiting.events += [waiting.traces, waiting.command]
    assert waiting.wait() is None


def test_a_follower_that_decided_without_a_command_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Waiting(monkeypatch)
    decided = {"decided_stamp_ns": STAMP_NS}
    waiting.events = [
        waiting.traces,
        *[lambda: say(waiting.words, MOTION_HEALTH, Level.WARN, "HOLD: no path", **decided)] * 10,
    ]
    assert waiting.wait() == "no command: HOLD: no path"


def test_silence_ends_the_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Waiting(monkeypatch)
    with pytest.raises(
        ReplayError, match=f"the frame of {STAMP_NS} ns was not answered within 20 s; .*nothing"
    ):
        waiting.wait()


def test_a_ctrl_c_waits_until_it_is_asked_for_and_has_no_effect_in_the_end() -> None:
    before, interrupt = signal.getsignal(signal.SIGINT), KeptInterrupt()
    try:
        interrupt.keep()
        interrupt.check()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupt.check()
        interrupt.ignore()
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
