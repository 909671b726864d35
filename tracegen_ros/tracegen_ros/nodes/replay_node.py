"""``replay_node``: publishes a recording with ``/clock``, and compares what the live nodes say with what was recorded.

In *lockstep* a frame is shown when the answer to the one before is there: its traces (same stamp) and the command that
the follower decided on from them. What the follower decides then depends on stamps alone (its parameter ``lockstep``):
its time is the image's stamp, its joints are the first at or after it, and those are said before the image is shown.
So the same recording, seed and engine give the same traces and commands on any machine, to the last bit, and
``ik_controller.nodes.offline_run`` computes the same ones without a graph. In *realtime* the recording's pace counts,
and frames may be dropped as with a camera.

No robot moves: the commands go to a topic and an action of the replay's own, and gripper goals are accepted here.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rclpy
from control_msgs.action import GripperCommand
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.action import ActionServer
from rclpy.action.server import ServerGoalHandle
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock
from rosidl_runtime_py.utilities import get_message
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage
from trajectory_msgs.msg import JointTrajectory

from tracegen_ros.bags.bag_reader import open_bag
from tracegen_ros.bags.frame_ledger import FrameLedger
from tracegen_ros.bags.frame_steps import Frame, cut_into_steps
from tracegen_ros.bags.recorded import BagError
from tracegen_ros.bags.recording import CLOCK_SET_BACK_NS, INPUTS, Entry, Recording, Role
from tracegen_ros.bags.replay_report import ReplayReport
from tracegen_ros.bags.topic_map import TopicMap, TopicMapError
from tracegen_ros.instruction import InstructionTextError, clean_instruction
from tracegen_ros.instruction_subscription import subscribe_to_instructions
from tracegen_ros.messages import (
    Level,
    MessageError,
    decode_diagnostics,
    decode_stamp,
    encode_header,
    encode_stamp,
    nanoseconds_from,
    seconds_from,
)
from tracegen_ros.nodes.call_repeater import CallRepeater
from tracegen_ros.nodes.replay_parameters import CALLS_TOPIC, LOCKSTEP, ReplayParameters
from tracegen_ros.parameters import ParameterError, declare_parameters
from tracegen_ros.qos import LATCHED, LATEST, LOGGED, SENSOR
from tracegen_ros.spinning import EXIT_BAD_PARAMETER, EXIT_OK

NAME = "replay"
EXIT_FAILED = 1

TRACE_HEALTH = "trace_node: inference"
MOTION_HEALTH = "trace_follower: motion"

REMINDER_PERIOD_S = 1.0
"""Images are best effort: in lockstep one that waits for its answer is published again this often [s of wall time]."""

GIVE_UP_S = 3.0
"""A frame that a node has been naming an error for so long [s of wall time] gets no answer."""

TICK_S = 0.01
"""Between recorded messages the clock goes on in steps of this [s of wall time]."""

LONGEST_PAUSE_S = 2.0
"""A gap in the recording is waited for no longer than this [s of wall time]."""

GOODBYE_S = 0.5
"""What the nodes said last arrives within this [s]."""

_INSTRUCTION_KEYS = {TRACE_HEALTH: "instruction", MOTION_HEALTH: "task"}
"""Where in their diagnostics the nodes tell the instruction that they have heard."""

_BUSY = ("engine broke", "inference hangs", "loading")
"""Errors of ``trace_node`` after which an answer may still come."""

_LIVE = TopicMap()
_QUEUE = 50


class ReplayError(RuntimeError):
    """The replay cannot go on; the message says why."""


@dataclass(frozen=True)
class _Health:
    """What a node last said of itself: when that was heard [s of wall time], and the node's own time then [ns]."""

    heard_s: float = 0.0
    level: Level = Level.OK
    words: str = ""
    values: dict[str, str] = field(default_factory=dict)
    stamp_ns: int = 0


class ReplayNode(Node):
    """Plays one bag; everything happens inside ``run``.

    Raises:
        ParameterError: A parameter is wrong, or the bag cannot be replayed.
    """

    def __init__(self) -> None:
        super().__init__(NAME)
        self._settings = declare_parameters(self, ReplayParameters)
        try:
            topic_map = TopicMap.load(self._settings.map) if self._settings.map else TopicMap()
            self._recording = Recording(open_bag(self._settings.bag), topic_map)
            self._camera_frame = self._recording.camera_frame()
            infos = {role: self._recording.first_info(role) for role in (Role.COLOUR_INFO, Role.DEPTH_INFO)}
            self._statics = self._recording.static_transforms()
            typed = clean_instruction(self._settings.instruction)
        except (BagError, TopicMapError, InstructionTextError) as error:
            raise ParameterError(str(error)) from error
        reason = self._recording.lacks_for_commands
        if self._settings.commands and reason is not None:
            raise ParameterError(
                f"no commands can be computed: {reason}; commands:=false replays the traces alone"
            )
        self._infos = {role: info.data for role, info in infos.items() if info is not None}
        repeats_calls = (
            self._settings.commands
            and self._settings.mode == LOCKSTEP
            and not typed
            and self._recording.topic_of(Role.CORE_CALLS) is not None
        )
        self.report = ReplayReport(at_recorded_times=repeats_calls)
        self._typed: str | None = typed or None
        self._ledger = FrameLedger()
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)
        self._clock_ns = 0
        self._shown: Frame | None = None
        self._traces: PointCloud2 | None = None
        self._command: JointTrajectory | None = None
        self._answered_s = 0.0
        self._own_words: deque[str] = deque()
        self._listeners = (TRACE_HEALTH, *((MOTION_HEALTH,) if self._settings.commands else ()))
        self._health = dict.fromkeys(self._listeners, _Health())
        self._began_s = time.monotonic()
        self._passes = 0
        self._make_connections()
        self._calls: CallRepeater | None = None
        if repeats_calls:
            publisher = self._publishers_by_topic[CALLS_TOPIC]
            self._calls = CallRepeater(publisher.publish, self._spin_once, self._decide_anew)

    def _make_connections(self) -> None:
        recording, settings = self._recording, self._settings
        self._clock_publisher = self.create_publisher(Clock, "/clock", 10)
        self._publishers_by_topic: dict[str, Publisher] = {}
        for topic, role in recording.roles.items():
            self._publish_on(recording.live_name(topic), recording.live_kind(topic), role, topic)
        self._publish_on(_LIVE.colour_info, "sensor_msgs/msg/CameraInfo", Role.COLOUR_INFO)
        self._publish_on(_LIVE.tf_static, "tf2_msgs/msg/TFMessage", Role.TF_STATIC)
        self._publish_on(_LIVE.instruction, "std_msgs/msg/String", Role.INSTRUCTION)
        self._publish_on(CALLS_TOPIC, "std_msgs/msg/String", Role.CORE_CALLS)
        self.create_subscription(PointCloud2, _LIVE.traces, self._on_traces, _QUEUE)
        self.create_subscription(JointTrajectory, settings.trajectory_topic, self._on_command, _QUEUE)
        self.create_subscription(String, _LIVE.follower_state, self._on_state, LATCHED)
        self.create_subscription(DiagnosticArray, _LIVE.diagnostics, self._on_diagnostics, _QUEUE)
        self.create_subscription(String, _LIVE.core_calls, self._on_core_call, LOGGED)
        subscribe_to_instructions(self, _LIVE.instruction, self._on_instruction)
        self._gripper = ActionServer(self, GripperCommand, settings.gripper_action, self._on_gripper_goal)

    def _publish_on(self, live_topic: str, kind: str, role: Role, recorded_topic: str | None = None) -> None:
        if live_topic in self._publishers_by_topic:
            return
        try:
            message_type = get_message(kind)
        except (AttributeError, ModuleNotFoundError, ValueError):
            self.get_logger().warning(f"{recorded_topic} is left out: its type {kind} is not known here")
            return
        latched = recorded_topic is not None and self._recording.bag.topics[recorded_topic].latched
        qos: Any = _QUEUE
        if role in (Role.TF_STATIC, Role.INSTRUCTION) or (latched and role not in INPUTS):
            qos = LATCHED
        elif role in (Role.COLOUR, Role.COLOUR_INFO, Role.DEPTH, Role.DEPTH_INFO):
            qos = SENSOR
        elif role is Role.CORE_CALLS:
            qos = LOGGED
        elif role not in INPUTS:
            qos = LATEST
        self._publishers_by_topic[live_topic] = self.create_publisher(message_type, live_topic, qos)

    # The replay

    def run(self) -> None:
        """Play the bag, once or until stopped.

        Raises:
            ReplayError: A node does not answer at all.
            BagError: A message of the bag that is needed cannot be read.
        """
        for problem in self._recording.problems:
            self.get_logger().warning(f"bag: {problem}")
        self._wait_for_listeners()
        self._refuse_company()
        self.get_logger().info(f"replaying {self._settings.bag} ({self._settings.mode})")
        self._began_s = time.monotonic()
        while True:
            self._play_once()
            self._passes += 1
            self.report.comparison.finish()
            if not self._settings.loop:
                break
            self.get_logger().info(f"pass {self._passes} is over: {self.report.frames} frames so far")

    def _play_once(self) -> None:
        entries = self._recording.entries()
        first = next(entries, None)
        if first is None:
            raise BagError(f"{self._settings.bag} holds nothing that can be replayed")
        self._anchor(first.time_ns)
        self._say_statics()
        recorded = self._recording.topic_map.instruction_text or ""
        self._instruct(recorded if self._typed is None else self._typed)
        if self._repeats_calls:
            assert self._calls is not None
            self._calls.begin()
        if self._settings.mode == LOCKSTEP:
            self._play_in_lockstep()
        else:
            self._play_in_realtime()
        self._spin_for(GOODBYE_S)

    def _play_in_lockstep(self) -> None:
        tolerance_ns = nanoseconds_from(self._settings.sync_tolerance_s)
        for step in cut_into_steps(self._recording.entries(), tolerance_ns):
            for entry in step.before:
                self._say(entry)
                self._settle()
            if step.frame is not None:
                if self._settings.rate > 0.0:
                    self._keep_pace(step.frame.colour.time_ns, self._settings.rate)
                self._show(step.frame)
                self._settle()
            self._executor.spin_once(timeout_sec=0.0)

    def _play_in_realtime(self) -> None:
        rate = self._settings.rate or 1.0
        for entry in self._recording.entries():
            self._keep_pace(entry.time_ns, rate)
            if entry.time_ns != self._clock_ns:
                self._tell_time(entry.time_ns)
            if entry.role is Role.COLOUR:
                self._note_frame()
                self._say_infos(entry.time_ns)
            self._say(entry)

    # What is said

    def _say(self, entry: Entry) -> bool:
        """Publish one recorded message; False where it is damaged."""
        try:
            self._publish(entry)
        except (BagError, MessageError) as error:
            self._recording.leave_out(entry.message, error)
            return False
        return True

    def _publish(self, entry: Entry) -> None:
        live = self._recording.live_message(entry)
        if entry.role is Role.INSTRUCTION:
            if self._typed is None:
                self._instruct(entry.message.message().data)
            return
        if entry.role in (Role.COLOUR_INFO, Role.DEPTH_INFO):
            self._infos[entry.role] = entry.message.data
        if entry.role is Role.CORE_CALLS:
            if self._calls is not None:
                self._calls.repeat(entry.message.message())
            return
        if entry.role not in INPUTS:
            self._take_note(entry)
        publisher = self._publishers_by_topic.get(self._recording.live_topic(entry))
        if publisher is not None:
            publisher.publish(live)
        if self._calls is not None and entry.role is Role.JOINT_STATES and entry.stamp_ns is not None:
            self._calls.note_joints(entry.stamp_ns)

    @property
    def _repeats_calls(self) -> bool:
        """The follower decides on the recorded run's own inputs; otherwise by itself."""
        return self._calls is not None and self._calls.active

    def _decide_anew(self, reason: str) -> None:
        self.report.comparison.at_recorded_times = False
        self.get_logger().warning(f"commands are decided on anew from here on: {reason}")

    def _take_note(self, entry: Entry) -> None:
        """Of what the recorded run's own nodes said."""
        task, comparable = self.report.task, self._typed is None
        if entry.role is Role.TRACES:
            task.recorded_traces += 1
            if comparable:
                self.report.comparison.add_traces(entry.message.message(), recorded=True)
        elif entry.role is Role.COMMANDS:
            task.recorded_commands += 1
            if comparable:
                self.report.comparison.add_command(entry.message.message(), recorded=True)
        elif entry.role is Role.FOLLOWER_STATE:
            task.recorded_states.append(entry.message.message().data)

    def _say_statics(self) -> None:
        fixed = self._recording.camera_transform(self._camera_frame)
        transforms = [
            one for one in self._statics if fixed is None or one.child_frame_id != self._camera_frame
        ]
        transforms += [] if fixed is None else [fixed]
        self._publishers_by_topic[_LIVE.tf_static].publish(TFMessage(transforms=transforms))

    def _say_infos(self, stamp_ns: int) -> None:
        """Intrinsics of the image that comes next."""
        fixed = self._recording.fixed_intrinsics(encode_header(stamp_ns, self._camera_frame))
        if fixed is not None:
            self._publishers_by_topic[_LIVE.colour_info].publish(fixed)
        for role, data in self._infos.items():
            self._publishers_by_topic[str(getattr(_LIVE, role.value))].publish(data)

    def _instruct(self, text: str) -> None:
        """Say what is to be done; in lockstep nothing goes on before the nodes have heard it."""
        try:
            instruction = clean_instruction(text)
        except InstructionTextError as error:
            self.get_logger().warning(f"a recorded instruction stops the nodes: {error}")
            instruction = ""
        self._own_words.append(text)
        self._publishers_by_topic[_LIVE.instruction].publish(String(data=text))
        self._begin_task(instruction)
        if self._settings.mode == LOCKSTEP:
            published_s = time.monotonic()
            self._wait(
                lambda: self._has_heard(instruction, published_s), f"the nodes to hear {instruction!r}"
            )

    def _begin_task(self, instruction: str) -> None:
        self._ledger.instruct(instruction)
        self.report.begin_task(instruction, typed=self._typed is not None)
        if instruction:
            self.get_logger().info(
                f"instruction: {instruction!r}{' (typed)' if self._typed is not None else ''}"
            )

    def _has_heard(self, instruction: str, since_s: float) -> bool:
        """The nodes that are there say that ``instruction`` is theirs."""
        if self._ledger.instruction != instruction:
            return True  # Somebody typed another one meanwhile.
        return all(
            self._health[name].heard_s > since_s
            and self._health[name].values.get(_INSTRUCTION_KEYS[name], "") == instruction
            for name in self._listeners
        )

    def _tell_time(self, time_ns: int) -> None:
        self._clock_ns = time_ns
        self._clock_publisher.publish(Clock(clock=encode_stamp(time_ns)))

    # Frames in lockstep

    def _note_frame(self) -> None:
        self.report.frames += 1
        self.report.task.frames += 1

    def _show(self, frame: Frame) -> None:
        if frame.stamp_ns < self._clock_ns - CLOCK_SET_BACK_NS:
            self._set_clock_back(frame.stamp_ns)
        self._shown, self._traces, self._command = frame, None, None
        self._note_frame()
        self._ledger.show(frame.stamp_ns)
        if not self._publish_frame(frame):
            self._ledger.settle()

    def _publish_frame(self, frame: Frame) -> bool:
        """Show a frame; False where an image of it is damaged."""
        self._tell_time(frame.stamp_ns)
        self._say_infos(frame.stamp_ns)
        return self._say(frame.depth) and self._say(frame.colour)

    def _settle(self) -> None:
        """Wait for what is owed: the answer to the shown frame, and the recorded calls that can be made."""
        if self._ledger.owed_ns is not None:
            self._take_answer()
        if self._calls is not None:
            self._calls.settle()

    def _take_answer(self) -> None:
        reason = self._wait_for_answer()
        frame, traces = self._shown, self._traces
        if self._calls is not None and frame is not None and traces is not None:
            self._calls.note_traces(frame.stamp_ns)
        self._ledger.settle()
        if frame is None:
            return
        if reason is not None:
            self.report.unanswered.append((frame.stamp_ns, reason))
            self.get_logger().warning(f"no answer to the frame of {frame.stamp_ns} ns: {reason}")
        if traces is not None and self._typed is None:
            self.report.comparison.add_traces(traces, recorded=False)
            if self._command is not None and not self._repeats_calls:
                self.report.comparison.add_command(self._command, recorded=False)

    def _wait_for_answer(self) -> str | None:
        """Until the shown frame is answered; returns why it cannot be, or None."""
        assert self._shown is not None
        shown, began_s = self._shown, time.monotonic()
        remind_s = began_s + REMINDER_PERIOD_S
        while self._ledger.owed_ns is not None:
            wants_command = self._settings.commands and shown.joints_known and not self._repeats_calls
            if self._traces is not None and (self._command is not None or not wants_command):
                return None
            now_s = time.monotonic()
            reason = self._hopeless(shown, began_s)
            if reason is not None:
                return reason
            if now_s - began_s > self._settings.patience_s:
                raise ReplayError(
                    f"the frame of {shown.stamp_ns} ns was not answered within {self._settings.patience_s:g} s; "
                    f"{self._words_of_nodes()}"
                )
            if self._traces is None and now_s > remind_s:
                self._publish_frame(shown)
                remind_s = now_s + REMINDER_PERIOD_S
            self._spin_once()
        return None

    def _hopeless(self, shown: Frame, began_s: float) -> str | None:
        """Why the answer that is waited for will not come, None while it may."""
        if self._traces is None:
            health = self._health[TRACE_HEALTH]
            names_error = health.level is Level.ERROR and not health.words.startswith(_BUSY)
            return health.words if names_error and health.heard_s - began_s > GIVE_UP_S else None
        health = self._health[MOTION_HEALTH]
        decided = health.values.get("decided_stamp_ns") == str(shown.stamp_ns)
        # The follower tells its health after it has sent the command: one that is not here now was never sent.
        return (
            f"no command: {health.words}"
            if decided and health.heard_s - self._answered_s > GIVE_UP_S
            else None
        )

    def _set_clock_back(self, time_ns: int) -> None:
        """Nodes that still have the later time would take an image for an old one: wait until they have the new."""

        def heard() -> bool:
            self._tell_time(time_ns)
            # What they said before is no sign.
            return all(
                health.heard_s > began_s and health.stamp_ns <= time_ns for health in self._health.values()
            )

        began_s = time.monotonic()
        self._wait(heard, "the nodes to take the clock back")

    # Pace

    def _anchor(self, time_ns: int) -> None:
        if time_ns < self._clock_ns:
            self._set_clock_back(time_ns)
        self._due_ns, self._due_s = time_ns, time.monotonic()

    def _keep_pace(self, time_ns: int, rate: float) -> None:
        """Let the clock run until ``time_ns``; a gap is shortened, a clock that was set back starts anew."""
        pause_s = seconds_from(time_ns - self._due_ns) / rate
        if pause_s < 0.0:
            if time_ns < self._clock_ns - CLOCK_SET_BACK_NS:
                self._set_clock_back(time_ns)
            pause_s = 0.0
        if pause_s > LONGEST_PAUSE_S:
            self.get_logger().info(f"{pause_s * rate:.1f} s without anything recorded are passed over")
            pause_s = 0.0
        began_ns, began_s = self._due_ns, self._due_s
        self._due_ns, self._due_s = time_ns, self._due_s + pause_s
        while (left_s := self._due_s - time.monotonic()) > 0.0:
            self._executor.spin_once(timeout_sec=min(left_s, TICK_S))
            now_ns = began_ns + nanoseconds_from((time.monotonic() - began_s) * rate)
            if self._settings.mode != LOCKSTEP and self._clock_ns < now_ns < time_ns:
                self._tell_time(now_ns)
        # A machine that cannot keep the pace falls behind, and does not race to catch up.
        self._due_s = max(self._due_s, time.monotonic() - TICK_S)
        self._executor.spin_once(timeout_sec=0.0)

    # What is heard

    def _on_traces(self, traces: PointCloud2) -> None:
        self.report.task.traces += 1
        if self._settings.mode != LOCKSTEP:
            if self._typed is None:
                self.report.comparison.add_traces(traces, recorded=False)
        elif self._shown is not None and decode_stamp(traces.header.stamp) == self._shown.stamp_ns:
            self._traces, self._answered_s = traces, time.monotonic()

    def _on_command(self, command: JointTrajectory) -> None:
        self.report.task.commands += 1
        if self._settings.mode != LOCKSTEP or self._repeats_calls:
            if self._typed is None:
                self.report.comparison.add_command(command, recorded=False)
        elif self._shown is not None and decode_stamp(command.header.stamp) >= self._shown.stamp_ns:
            self._command = command

    def _on_state(self, state: String) -> None:
        self.report.task.states.append(state.data)

    def _on_core_call(self, message: String) -> None:
        if self._calls is None:
            return
        try:
            self._calls.note_made(message)
        except MessageError as error:
            self.get_logger().warning(str(error))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for name in (TRACE_HEALTH, MOTION_HEALTH):
            status = decode_diagnostics(message, name)
            if status is not None and name in self._health:
                self._health[name] = _Health(time.monotonic(), *status, decode_stamp(message.header.stamp))

    def _on_instruction(self, message: String) -> None:
        """A sentence: the replay's own comes back, any other was typed, and stays in force."""
        if message.data in self._own_words:
            # Only the newest is delivered for sure: what was said before it does not come any more.
            while self._own_words.popleft() != message.data:
                continue
            return
        try:
            self._typed = clean_instruction(message.data)
        except InstructionTextError as error:
            self.get_logger().warning(str(error))
            self._typed = ""
        self._begin_task(self._typed)
        if self._calls is not None:
            self._calls.end("another instruction was given")

    def _on_gripper_goal(self, handle: ServerGoalHandle) -> GripperCommand.Result:
        """Gripper goals are taken note of; the fingers move as they were recorded."""
        self.report.task.gripper_goals += 1
        handle.succeed()
        return GripperCommand.Result(position=handle.request.command.position, reached_goal=True)

    # Waiting

    def _wait_for_listeners(self) -> None:
        """Nobody is shown anything before the nodes that answer are there and active."""
        publishers, nodes = self._publishers_by_topic, len(self._listeners)

        def there() -> bool:
            return (
                all(health.heard_s > 0.0 and health.words != "inactive" for health in self._health.values())
                and publishers[_LIVE.colour].get_subscription_count() >= 1
                and publishers[_LIVE.depth].get_subscription_count() >= nodes
                and publishers[_LIVE.colour_info].get_subscription_count() >= nodes
                # Each node listens to latched and to ordinary publishers, and so does this one.
                and publishers[_LIVE.instruction].get_subscription_count() >= 2 * (nodes + 1)
                and (not self._settings.commands or self._follower_is_connected())
            )

        self._wait(there, f"{' and '.join(self._listeners)} to be active and to listen")

    def _follower_is_connected(self) -> bool:
        return (
            self._publishers_by_topic[_LIVE.joint_states].get_subscription_count() >= 1
            and self.count_clients(f"{self._settings.gripper_action}/_action/send_goal") >= 1
            and (
                not self._repeats_calls
                or self._publishers_by_topic[CALLS_TOPIC].get_subscription_count() >= 1
            )
            and (not self._repeats_calls or self.count_publishers(_LIVE.core_calls) >= 1)
        )

    def _refuse_company(self) -> None:
        """Two cameras or two arms on the same topics make no sense of either.

        Raises:
            ReplayError: Somebody else publishes what is about to be replayed.
        """
        for topic in (_LIVE.colour, _LIVE.depth, _LIVE.joint_states, "/clock"):
            if self.count_publishers(topic) > (topic in self._publishers_by_topic or topic == "/clock"):
                raise ReplayError(
                    f"somebody else publishes {topic}: is a robot, a camera or another replay running? "
                    "Replay in a domain of its own: ROS_DOMAIN_ID=42 ros2 launch ..."
                )

    def _wait(self, happened: Callable[[], bool], what: str) -> None:
        ends_s = time.monotonic() + self._settings.patience_s
        while not happened():
            if time.monotonic() > ends_s:
                raise ReplayError(
                    f"waited {self._settings.patience_s:g} s in vain for {what}; {self._words_of_nodes()}"
                )
            self._spin_once()

    def _spin_once(self) -> None:
        self._executor.spin_once(timeout_sec=0.02)

    def _spin_for(self, seconds: float) -> None:
        ends_s = time.monotonic() + seconds
        while time.monotonic() < ends_s:
            self._spin_once()

    def _words_of_nodes(self) -> str:
        return "; ".join(
            f"{name} says {health.words!r}" if health.heard_s else f"{name} says nothing; is it running?"
            for name, health in self._health.items()
        )

    # The end

    def finish(self) -> None:
        """Tell how it went, also after an interrupt, and write the report.

        Raises:
            ReplayError: The report cannot be written.
        """
        self.report.comparison.finish()
        took_s = time.monotonic() - self._began_s
        for problem in self._recording.problems:
            self.get_logger().warning(f"bag: {problem}")
        self.get_logger().info(f"{self.report.frames} frames in {took_s:.1f} s ({self._settings.mode})")
        for line in self.report.lines():
            self.get_logger().info(line)
        if not self._settings.report:
            return
        about = {
            "bag": self._settings.bag,
            "mode": self._settings.mode,
            "passes": self._passes,
            "wall_s": took_s,
            "problems": list(self._recording.problems),
            "model": {
                key: value
                for key, value in self._health[TRACE_HEALTH].values.items()
                if key in ("model", "weights", "engine", "engine_device", "precision", "sampling")
            },
        }
        path = Path(self._settings.report)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(self.report.as_json(about), indent=1), encoding="utf-8")
        except OSError as error:
            raise ReplayError(f"cannot write the report: {error}") from error

    def destroy_node(self) -> None:
        """Let go of the bag, then of the node."""
        self._recording.bag.close()
        self._executor.shutdown()
        super().destroy_node()


def main() -> None:
    """Entry point of ``ros2 run tracegen_ros replay_node``."""
    # Ctrl-C ends the replay, not ROS: the numbers are still to be told.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = ReplayNode()
    except ParameterError as error:
        rclpy.logging.get_logger(NAME).fatal(str(error))
        rclpy.try_shutdown()
        sys.exit(EXIT_BAD_PARAMETER)
    code = EXIT_OK
    try:
        node.run()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (ReplayError, BagError) as error:
        node.get_logger().fatal(str(error))
        code = EXIT_FAILED
    # It reaches a launched node twice, from the terminal and from launch; the second must not disturb.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        node.finish()
    except ReplayError as error:
        node.get_logger().fatal(str(error))
        code = EXIT_FAILED
    node.destroy_node()
    rclpy.try_shutdown()
    sys.exit(code)
