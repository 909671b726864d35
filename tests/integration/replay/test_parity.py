"""The live nodes, the nodes on a replayed recording, and the offline path say the same, to the last bit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import String
from tests.integration.launch_file import run_launch_file
from tests.integration.replay.recorded_run import (
    COLOUR_TOPIC,
    COMMANDS,
    COMMANDS_TOPIC,
    FRAME_PERIOD_S,
    INSTRUCTION,
    LEAST_TRACES,
    LONG_S,
    Heard,
    run_and_listen,
    write_bag,
    write_foreign_bag,
)
from trajectory_msgs.msg import JointTrajectory

from ik_controller.follower import TraceFollower
from ik_controller.nodes.follower_parameters import FollowerParameters
from ik_controller.nodes.offline_run import OfflineAnswer, OfflineRun
from tracegen_ros.bags.bag_reader import open_bag
from tracegen_ros.bags.comparison import Agreement, Comparison
from tracegen_ros.bags.recording import Recording, Role
from tracegen_ros.messages import decode_diagnostics
from tracegen_ros.nodes.replay_parameters import GRIPPER_ACTION, TRAJECTORY_TOPIC
from tracegen_ros.nodes.trace_node import load_predictor
from tracegen_ros.nodes.trace_parameters import TraceParameters
from tracegen_ros.qos import LATCHED

LAST_CALLS = 1
"""Calls of the motion core whose command the follower did not come to send before it was ended."""

SLOW_MOTION = 0.25
"""Recorded seconds per second in the test of the pace."""

PATIENT_NODE = """\
trace_node:
  ros__parameters:
    frame_timeout_s: 10.0
    deadline_s: 60.0
"""
"""A trace node that answers late frames too: how far a machine with other work falls behind is not what is tested."""


@pytest.fixture(scope="module")
def heard(tester, processes) -> list[Heard]:
    return run_and_listen(tester, processes)


@pytest.fixture(scope="module")
def bag(heard: list[Heard], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(heard, tmp_path_factory.mktemp("recorded") / "bag")


def compute(recording: Recording, seed: int = 0, *, repeat_calls: bool = False) -> Iterator[OfflineAnswer]:
    parameters = FollowerParameters(lockstep=True)
    robot = parameters.load_robot()
    follower = TraceFollower(robot, parameters.follower_config(robot))
    predictor = load_predictor(TraceParameters(seed=seed))
    return OfflineRun(recording, predictor, follower, parameters, repeat_calls=repeat_calls).answers()


def compare(
    recording: Recording, answers: list[OfflineAnswer], *, at_recorded_times: bool = False
) -> Comparison:
    comparison = Comparison(at_recorded_times=at_recorded_times)
    for entry in recording.entries():
        if entry.role is Role.TRACES:
            comparison.add_traces(entry.message.message(), recorded=True)
        elif entry.role is Role.COMMANDS:
            comparison.add_command(entry.message.message(), recorded=True)
    for answer in answers:
        if answer.traces is not None:
            comparison.add_traces(answer.traces, recorded=False)
        if answer.command is not None:
            comparison.add_command(answer.command, recorded=False)
    comparison.finish()
    return comparison


def assert_all_equal(agreement: Agreement, count: int) -> None:
    assert agreement.compared >= count
    assert agreement.equal == agreement.compared
    assert agreement.only_recorded == 0


@pytest.mark.timeout(480)
def test_the_offline_path_gives_the_live_nodes_traces_and_commands_to_the_last_bit(bag: Path) -> None:
    with open_bag(bag) as opened:
        recording = Recording(opened)
        answers = list(compute(recording))
        comparison = compare(recording, answers)
    assert_all_equal(comparison.traces, COMMANDS)
    assert_all_equal(comparison.commands, COMMANDS)
    assert {answer.instruction for answer in answers} == {INSTRUCTION}
    goals = [answer.output.gripper.width for answer in answers if answer.output and answer.output.gripper]
    assert goals == [0.0, 0.08], "the run has a grasp and a release"


@pytest.mark.timeout(480)
def test_another_seed_is_not_taken_for_the_recorded_run(bag: Path) -> None:
    with open_bag(bag) as opened:
        recording = Recording(opened)
        comparison = compare(recording, list(islice(compute(recording, seed=1), 5)))
    assert comparison.traces.compared == 5
    assert comparison.traces.equal == 0


def assert_the_live_run_again(traces: dict[str, float], commands: dict[str, float], frames: int) -> None:
    """Everything that the live run said is computed again and equal to the last bit."""
    assert traces["compared"] >= LEAST_TRACES
    assert commands["compared"] >= COMMANDS
    for agreement in (traces, commands):
        assert agreement["equal"] == agreement["compared"]
        assert agreement["only_recorded"] == 0
    # Live nodes skip frames, and the last are not answered any more; decisions are made where they were made.
    assert traces["only_computed"] <= frames - traces["compared"]
    assert commands["only_computed"] <= LAST_CALLS


@pytest.mark.timeout(480)
def test_a_run_on_a_live_clock_is_computed_again_to_the_last_bit_live_and_offline(
    tester, processes, tmp_path: Path
) -> None:
    bag = write_bag(run_and_listen(tester, processes, lockstep=False), tmp_path / "bag")
    with open_bag(bag) as opened:
        recording = Recording(opened)
        answers = list(compute(recording, repeat_calls=True))
        offline = compare(recording, answers, at_recorded_times=True)
    assert_the_live_run_again(offline.traces.summary(), offline.commands.summary(), len(answers))

    report = tmp_path / "report.json"
    code, output = run_launch_file("replay.launch.py", f"bag:={bag}", f"report:={report}")
    assert code == 0, output
    numbers = json.loads(report.read_text())
    assert numbers["at_recorded_times"] and numbers["commands_anew"] is None, output
    assert numbers["unanswered"] == [], output
    assert_the_live_run_again(numbers["traces"], numbers["commands"], numbers["frames"])


def tasks_in(message: DiagnosticArray) -> list[str]:
    """What the follower says its task is."""
    status = decode_diagnostics(message, "trace_follower: motion")
    return [] if status is None else [status[2].get("task", "")]


@pytest.mark.timeout(480)
def test_a_replayed_foreign_bag_gives_the_same_again_and_obeys_a_new_instruction(
    heard: list[Heard], tester, processes, tmp_path: Path
) -> None:
    bag, mapping = write_foreign_bag(heard, tmp_path)
    report = tmp_path / "report.json"
    nodes = [
        processes.node("tracegen_ros.nodes.trace_node", use_sim_time=True, diagnostics_rate_hz=20.0),
        processes.node(
            "ik_controller.nodes.trace_follower_node",
            use_sim_time=True,
            enabled=True,
            lockstep=True,
            trajectory_topic=TRAJECTORY_TOPIC,
            gripper_action=GRIPPER_ACTION,
            input_timeout_s=10.0,
            gripper_timeout_s=30.0,
            diagnostics_rate_hz=20.0,
        ),
    ]
    for_robots: list[JointTrajectory] = []
    tester.node.create_subscription(
        JointTrajectory, "/joint_trajectory_controller/joint_trajectory", for_robots.append, 10
    )
    tasks: list[str] = []
    tester.node.create_subscription(
        DiagnosticArray, "/diagnostics", lambda message: tasks.extend(tasks_in(message)), 50
    )
    tester.activate("trace_node", "trace_follower")
    replay = processes.node("tracegen_ros.nodes.replay_node", bag=bag, map=mapping, loop=True, report=report)
    republished: list[PointCloud2] = []
    tester.node.create_subscription(PointCloud2, "/recorded/old_run/traces", republished.append, 10)
    tester.wait(lambda: len(republished) > COMMANDS, "the second pass", LONG_S)

    other = "put the white block in the yellow zone"
    instruction = tester.publisher(String, "/task_instruction", LATCHED)
    instruction.publish(String(data=other))
    tester.wait(lambda: tasks[-1] == other, "the follower to hear the new instruction")
    told = len(republished)
    tester.wait(lambda: len(republished) > told + 2, "the replay to go on")
    assert tasks[-1] == other, "the recorded instruction does not come back"
    processes.end(replay)
    for node in nodes:
        processes.end(node)
    # Latched: the next replay would hear it too, and obey.
    tester.node.destroy_publisher(instruction)

    numbers = json.loads(report.read_text())
    assert numbers["unanswered"] == []
    for name in ("traces", "commands"):
        assert numbers[name]["compared"] >= COMMANDS
        assert numbers[name]["equal"] == numbers[name]["compared"], name
    first, *_, last = numbers["tasks"]
    assert first["instruction"] == INSTRUCTION
    assert first["gripper_goals"] == 2
    assert last["instruction"] == other and last["typed"]
    assert not for_robots, "no command went where a robot could listen"


def first_half(heard: list[Heard]) -> list[Heard]:
    """What was said until half of the commands were sent."""
    commands = [place for place, one in enumerate(heard) if one.topic == COMMANDS_TOPIC]
    return heard[: commands[COMMANDS // 2]]


@pytest.mark.timeout(480)
def test_the_launch_file_replays_at_the_recordings_pace_and_leaves_out_what_is_damaged(
    heard: list[Heard], tmp_path: Path
) -> None:
    half = first_half(heard)
    damaged = [
        replace(one, data=one.data[:-100]) if number == 2 else one
        for number, one in enumerate(one for one in half if one.topic == COLOUR_TOPIC)
    ]
    others = [one for one in half if one.topic != COLOUR_TOPIC]
    bag = write_bag(sorted([*damaged, *others], key=lambda one: one.received_ns), tmp_path / "bag")
    report, parameters = tmp_path / "report.json", tmp_path / "patient.yaml"
    parameters.write_text(PATIENT_NODE, encoding="utf-8")
    code, output = run_launch_file(
        "replay.launch.py",
        f"bag:={bag}",
        "mode:=realtime",
        f"rate:={SLOW_MOTION}",
        "commands:=false",
        f"report:={report}",
        f"parameters:={parameters}",
    )
    assert code == 0, output
    numbers = json.loads(report.read_text())
    assert numbers["wall_s"] > (COMMANDS // 2 - 1) * FRAME_PERIOD_S / SLOW_MOTION, "it does not run ahead"
    assert numbers["frames"] >= COMMANDS // 2 - 1
    assert numbers["traces"]["compared"] > 0, output
    assert numbers["traces"]["equal"] == numbers["traces"]["compared"]
    assert numbers["commands"]["compared"] == 0
    assert any("1 message on /camera/camera/color/image_raw left out" in text for text in numbers["problems"])
