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

import sys
import time
from functools import partial
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from tracegen_ros.bags.bag_reader import open_bag
from tracegen_ros.bags.frame_ledger import FrameLedger
from tracegen_ros.bags.frame_steps import Frame, cut_into_steps
from tracegen_ros.bags.recorded import BagError
from tracegen_ros.bags.recording import INPUTS, Entry, Recording, Role
from tracegen_ros.bags.replay_report import ReplayReport
from tracegen_ros.bags.topic_map import TopicMap, TopicMapError
from tracegen_ros.instruction import InstructionTextError, clean_instruction
from tracegen_ros.instruction_subscription import subscribe_to_instructions
from tracegen_ros.messages import MessageError, nanoseconds_from
from tracegen_ros.nodes.call_repeater import CallRepeater
from tracegen_ros.nodes.frame_answer import FrameAnswer
from tracegen_ros.nodes.gripper_stand_in import GripperStandIn
from tracegen_ros.nodes.kept_interrupt import KeptInterrupt
from tracegen_ros.nodes.live_graph import LiveGraph
from tracegen_ros.nodes.node_words import MOTION_HEALTH, TRACE_HEALTH, NodeWords
from tracegen_ros.nodes.patience import Patience, ReplayError
from tracegen_ros.nodes.recorded_publishers import RecordedPublishers
from tracegen_ros.nodes.replay_clock import Pace, ReplayClock
from tracegen_ros.nodes.replay_notes import ReplayNotes, write_report
from tracegen_ros.nodes.replay_parameters import CALLS_TOPIC, LOCKSTEP, ReplayParameters
from tracegen_ros.nodes.replayed_camera import INFOS, ReplayedCamera
from tracegen_ros.nodes.typed_instruction import TypedInstruction
from tracegen_ros.parameters import ParameterError, declare_parameters
from tracegen_ros.qos import LATCHED, LOGGED
from tracegen_ros.spinning import EXIT_BAD_PARAMETER, EXIT_OK

NAME = "replay"
EXIT_FAILED = 1

GOODBYE_S = 0.5
"""What the nodes said last arrives within this [s]."""

_LIVE = TopicMap()
_QUEUE = 50


class ReplayNode(Node):
    """Plays one bag; everything happens inside ``run``.

    Raises:
        ParameterError: A parameter is wrong, or the bag cannot be replayed.
    """

    def __init__(self) -> None:
        super().__init__(NAME)
        settings = self._settings = declare_parameters(self, ReplayParameters)
        self._lockstep = settings.mode == LOCKSTEP
        try:
            topic_map = TopicMap.load(settings.map) if settings.map else TopicMap()
            self._recording = Recording(open_bag(settings.bag), topic_map)
            self._camera = ReplayedCamera(self._recording)
            self._typed = TypedInstruction(clean_instruction(settings.instruction))
        except (BagError, TopicMapError, InstructionTextError) as error:
            raise ParameterError(str(error)) from error
        reason = self._recording.lacks_for_commands
        if settings.commands and reason is not None:
            raise ParameterError(
                f"no commands can be computed: {reason}; commands:=false replays the traces alone"
            )
        repeats_calls = (
            settings.commands
            and self._lockstep
            and not self._typed.given
            and self._recording.topic_of(Role.CORE_CALLS) is not None
        )
        self.report = ReplayReport(at_recorded_times=repeats_calls)
        self._notes = ReplayNotes(self.report, self._typed)
        self._ledger = FrameLedger()
        self._began_s = time.monotonic()
        self._passes = 0
        self.interrupt = KeptInterrupt()
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)
        self._words = NodeWords((TRACE_HEALTH, *((MOTION_HEALTH,) if settings.commands else ())))
        self._patience = Patience(self._spin, settings.patience_s, self._words.__str__)
        self._time = ReplayClock(self, self._patience, self._words)
        self._pace = Pace(self._time, self._spin, ticks=not self._lockstep, log=self.get_logger().info)
        self._said = RecordedPublishers(self, self._recording)
        self._graph = LiveGraph(self, self._said, self._words, settings, lambda: self._repeats_calls)
        self._answer = FrameAnswer(self._ledger, self._words, self._patience, self._follower_decides)
        self._calls: CallRepeater | None = None
        if repeats_calls:
            say = partial(self._said.publish, CALLS_TOPIC)
            self._calls = CallRepeater(say, self._patience.spin_once, self._decide_anew)
        self._listen()

    def _listen(self) -> None:
        settings = self._settings
        self.create_subscription(PointCloud2, _LIVE.traces, self._on_traces, _QUEUE)
        self.create_subscription(JointTrajectory, settings.trajectory_topic, self._on_command, _QUEUE)
        self.create_subscription(String, _LIVE.follower_state, self._on_state, LATCHED)
        self.create_subscription(DiagnosticArray, _LIVE.diagnostics, self._words.hear, _QUEUE)
        self.create_subscription(String, _LIVE.core_calls, self._on_core_call, LOGGED)
        subscribe_to_instructions(self, _LIVE.instruction, self._on_instruction)
        self._gripper = GripperStandIn(self, settings.gripper_action, self._notes.note_gripper_goal)

    def _spin(self, seconds: float) -> None:
        self._executor.spin_once(timeout_sec=seconds)
        self.interrupt.check()

    # The replay

    def run(self) -> None:
        """Play the bag, once or until stopped.

        Raises:
            ReplayError: A node does not answer at all, or a robot, a camera or another replay is there.
            BagError: A message of the bag that is needed cannot be read.
        """
        for problem in self._recording.problems:
            self.get_logger().warning(f"bag: {problem}")
        listeners = " and ".join(self._words.names)
        self._patience.wait(self._graph.is_ready, f"{listeners} to be active and to listen")
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
        self._pace.begin(first.time_ns)
        self._said.publish(_LIVE.tf_static, self._camera.transforms())
        recorded = self._recording.topic_map.instruction_text or ""
        self._instruct(recorded if self._typed.text is None else self._typed.text, wait=True)
        if self._calls is not None and self._calls.active:
            self._calls.begin()
        play = self._play_in_lockstep if self._lockstep else self._play_in_realtime
        play()
        self._patience.spin_for(GOODBYE_S)

    def _play_in_lockstep(self) -> None:
        tolerance_ns = nanoseconds_from(self._settings.sync_tolerance_s)
        for step in cut_into_steps(self._recording.entries(), tolerance_ns):
            for entry in step.before:
                self._say(entry)
                self._settle()
            if step.frame is not None:
                if self._settings.rate > 0.0:
                    self._pace.keep(step.frame.colour.time_ns, self._settings.rate)
                self._show(step.frame)
                self._settle()
            self._spin(0.0)

    def _play_in_realtime(self) -> None:
        rate = self._settings.rate or 1.0
        for entry in self._recording.entries():
            self._pace.keep(entry.time_ns, rate)
            if entry.time_ns != self._time.now_ns:
                self._time.tell(entry.time_ns)
            if entry.role is Role.COLOUR:
                self._notes.note_frame()
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
            if not self._typed.given:
                self._instruct(entry.message.message().data, wait=self._lockstep)
            return
        if entry.role in INFOS:
            self._camera.note_info(entry)
        if entry.role is Role.CORE_CALLS:
            if self._calls is not None:
                self._calls.repeat(entry.message.message())
            return
        if entry.role not in INPUTS:
            self._notes.note_recorded(entry)
        self._said.replay(entry, live)
        if self._calls is not None and entry.role is Role.JOINT_STATES and entry.stamp_ns is not None:
            self._calls.note_joints(entry.stamp_ns)

    @property
    def _repeats_calls(self) -> bool:
        """The follower decides on the recorded run's own inputs; otherwise by itself."""
        return self._calls is not None and self._calls.active

    def _follower_decides(self) -> bool:
        """The follower answers each frame's traces with a command."""
        return self._settings.commands and not self._repeats_calls

    def _decide_anew(self, reason: str) -> None:
        self.report.comparison.decide_anew()
        self.get_logger().warning(f"commands are decided on anew from here on: {reason}")

    def _say_infos(self, stamp_ns: int) -> None:
        for topic, info in self._camera.infos(stamp_ns):
            self._said.publish(topic, info)

    def _instruct(self, text: str, *, wait: bool) -> None:
        """Say what is to be done, and ``wait`` for the nodes to have heard it: no frame passes by before."""
        try:
            instruction = clean_instruction(text)
        except InstructionTextError as error:
            self.get_logger().warning(f"a recorded instruction stops the nodes: {error}")
            instruction = ""
        self._typed.say(text)
        self._said.publish(_LIVE.instruction, String(data=text))
        self._begin_task(instruction)
        if wait:
            published_s = time.monotonic()
            self._patience.wait(
                lambda: self._has_heard(instruction, published_s), f"the nodes to hear {instruction!r}"
            )

    def _has_heard(self, instruction: str, since_s: float) -> bool:
        """The nodes have taken ``instruction``, or somebody typed another one meanwhile."""
        return self._ledger.instruction != instruction or self._words.all_took(instruction, since_s)

    def _begin_task(self, instruction: str) -> None:
        typed = self._typed.given
        self._ledger.instruct(instruction)
        self.report.begin_task(instruction, typed=typed)
        if instruction:
            self.get_logger().info(f"instruction: {instruction!r}{' (typed)' if typed else ''}")

    # Frames in lockstep

    def _show(self, frame: Frame) -> None:
        self._time.set_back_unless_late(frame.stamp_ns)
        self._answer.expect(frame)
        self._notes.note_frame()
        self._ledger.show(frame.stamp_ns)
        if not self._publish_frame(frame):
            self._ledger.settle()

    def _publish_frame(self, frame: Frame) -> bool:
        """Show a frame; False where an image of it is damaged."""
        self._time.tell(frame.stamp_ns)
        self._say_infos(frame.stamp_ns)
        return self._say(frame.depth) and self._say(frame.colour)

    def _settle(self) -> None:
        """Wait for what is owed: the answer to the shown frame, and the recorded calls that can be made."""
        frame = self._answer.frame
        if self._ledger.owed_ns is not None and frame is not None:
            self._take_answer(frame)
        if self._calls is not None:
            self._calls.settle()

    def _take_answer(self, frame: Frame) -> None:
        reason = self._answer.wait(self._publish_frame)
        traces, command = self._answer.traces, self._answer.command
        if self._calls is not None and traces is not None:
            self._calls.note_traces(frame.stamp_ns)
        self._ledger.settle()
        if reason is not None:
            self.report.unanswered.append((frame.stamp_ns, reason))
            self.get_logger().warning(f"no answer to the frame of {frame.stamp_ns} ns: {reason}")
        if traces is not None:
            self._notes.compare_traces(traces)
            if command is not None and not self._repeats_calls:
                self._notes.compare_command(command)

    # What is heard

    def _on_traces(self, traces: PointCloud2) -> None:
        self.report.task.traces += 1
        if self._lockstep:
            self._answer.hear_traces(traces)
        else:
            self._notes.compare_traces(traces)

    def _on_command(self, command: JointTrajectory) -> None:
        self.report.task.commands += 1
        if self._lockstep and not self._repeats_calls:
            self._answer.hear_command(command)
        else:
            self._notes.compare_command(command)

    def _on_state(self, state: String) -> None:
        self.report.task.states.append(state.data)

    def _on_core_call(self, message: String) -> None:
        if self._calls is None:
            return
        try:
            self._calls.note_made(message)
        except MessageError as error:
            self.get_logger().warning(str(error))

    def _on_instruction(self, message: String) -> None:
        """A sentence: the replay's own comes back, any other was typed, and stays in force."""
        if self._typed.is_own(message.data):
            return
        try:
            instruction = clean_instruction(message.data)
        except InstructionTextError as error:
            self.get_logger().warning(str(error))
            instruction = ""
        self._typed.text = instruction
        self._begin_task(instruction)
        if self._calls is not None:
            self._calls.end("another instruction was given")

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
        }
        write_report(Path(self._settings.report), self.report, about, self._words.of(TRACE_HEALTH).values)

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
    node.interrupt.keep()
    try:
        node.run()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (ReplayError, BagError) as error:
        node.get_logger().fatal(str(error))
        code = EXIT_FAILED
    # It reaches a launched node twice, from the terminal and from launch; the second must not disturb.
    node.interrupt.ignore()
    try:
        node.finish()
    except ReplayError as error:
        node.get_logger().fatal(str(error))
        code = EXIT_FAILED
    node.destroy_node()
    rclpy.try_shutdown()
    sys.exit(code)
