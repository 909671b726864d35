"""``record``: what the robot sees, says and does goes into a bag.

ros2 run tracegen_ros record                             # into outputs/bags/TIME; Ctrl-C finishes it
ros2 run tracegen_ros record my_run --ros-args -p compress_colour:=jpeg
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.serialization import deserialize_message, serialize_message
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import Image

from tracegen_ros.bags.bag_recorder import BagRecorder, RecorderLimits, RecorderState
from tracegen_ros.bags.bag_writer import BagWriter
from tracegen_ros.bags.provenance import files_in_force, software_provenance
from tracegen_ros.bags.recorded import BagError
from tracegen_ros.bags.topic_selection import SelectionError, TopicSelection
from tracegen_ros.messages import Level, decode_colour, decode_diagnostics, encode_diagnostics, encode_header
from tracegen_ros.messages.compressed_images import COMPRESSED_SUFFIX, encode_compressed_colour
from tracegen_ros.nodes.parameter_survey import ParameterSurvey
from tracegen_ros.nodes.record_parameters import AS_IT_IS, RecordParameters
from tracegen_ros.nodes.topic_recording import Change, TakenMessage, TopicRecording, UnknownTopicTypeError
from tracegen_ros.parameters import ParameterError, declare_parameters
from tracegen_ros.spinning import run_node

NAME = "record"
DIAGNOSTIC_NAME = "record: bag"

DEFAULT_FOLDER = Path("outputs") / "bags"

TAKING_PERIOD_S = 0.04
"""How often messages that have come are taken [s]; their times are the middleware's, so they are not rounded to it."""

LOOKING_PERIOD_S = 0.5
"""How often new topics and publishers are looked for [s]."""

HEALTH_PERIOD_S = 1.0
"""How often the recorder tells its health and asks new nodes for their parameters [s]."""

MODEL_DIAGNOSTIC = "trace_node: inference"
_MODEL_KEYS = ("model", "weights", "engine", "engine_device", "engine_detail", "precision", "sampling")

_MEBIBYTE = 2**20
_GIBIBYTE = 2**30


class RecordNode(Node):
    """Finds topics, takes their messages as bytes, and tells how the recording stands."""

    def __init__(self) -> None:
        # What is said when the bag is finished comes after Ctrl-C, when /rosout is gone.
        super().__init__(NAME, enable_rosout=False)
        self._settings = settings = declare_parameters(self, RecordParameters)
        try:
            self._selection = TopicSelection.from_words(settings.topics, settings.also, settings.never)
            writer = BagWriter(_folder(settings.bag), settings.compression)
        except SelectionError as error:
            raise ParameterError(f"parameter {error}") from error
        except BagError as error:
            raise ParameterError(f"parameter 'bag': {error}") from error
        self._folder = writer.folder
        self._recordings: dict[str, TopicRecording] = {}
        self._refused: dict[str, str] = {}
        limits = RecorderLimits(
            queue_bytes=settings.queue_mb * _MEBIBYTE,
            bag_bytes=round(settings.largest_bag_gb * _GIBIBYTE),
            free_bytes=round(settings.least_free_gb * _GIBIBYTE),
        )
        self._recorder = BagRecorder(writer, limits, outcome=self._outcome)
        self._recorder.note_provenance(software_provenance())
        # No executor spins this one: its messages are taken, not delivered.
        self._ears = Node(
            f"_{NAME}", use_global_arguments=False, start_parameter_services=False, enable_rosout=False
        )
        self._waiting: list[TakenMessage] = []
        self._survey = ParameterSurvey(self)
        self._model: dict[str, str] = {}
        self._told_end = False
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._model_health = self.create_subscription(
            DiagnosticArray, "/diagnostics", self._on_diagnostics, 10
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(TAKING_PERIOD_S, self._take, clock=steady)
        self.create_timer(LOOKING_PERIOD_S, self._look_for_topics, clock=steady)
        self.create_timer(HEALTH_PERIOD_S, self._tell_health, clock=steady)
        self.get_logger().info(f"recording into {self._folder}")

    def destroy_node(self) -> None:
        """Finish the bag."""
        self._take()
        self._record(self._waiting)
        self._recorder.close()
        state = self._recorder.state
        self.get_logger().info(
            f"{self._folder}: {state.recorded} messages on {len(self._recordings)} topics, "
            f"{state.written_bytes / _MEBIBYTE:.1f} MiB, {sum(state.dropped.values())} dropped, {self._lost()} lost"
            + (f"; ended early: {state.end_reason}" if state.end_reason else "")
        )
        self._ears.destroy_node()
        super().destroy_node()

    def _take(self) -> None:
        """Record what has come, in the order of its coming; what comes meanwhile waits for the next time."""
        began_ns = time.time_ns()
        # What has waited is recorded in any case: clocks can be set back.
        ready, self._waiting = self._waiting, []
        for recording in self._recordings.values():
            for message in recording.take():
                (ready if message.received_ns <= began_ns else self._waiting).append(message)
        self._record(ready)

    def _record(self, messages: list[TakenMessage]) -> None:
        for message in sorted(messages, key=attrgetter("received_ns")):
            message.recording.record(message)

    def _look_for_topics(self) -> None:
        for name, _ in self._ears.get_topic_names_and_types():
            if name not in self._selection or name in self._refused:
                continue
            known = self._recordings.get(name)
            publishers = self._ears.get_publishers_info_by_topic(name)
            if known is not None:
                known.look_again(publishers)
                continue
            if not publishers:
                continue
            try:
                self._recordings[name] = TopicRecording(
                    self._ears, self._recorder, name, publishers, self._change_of(name)
                )
            except UnknownTopicTypeError as error:
                self._refused[name] = str(error)
                self.get_logger().error(f"{name} is not recorded: {error}")

    def _change_of(self, name: str) -> Change | None:
        if name != self._settings.colour_topic or self._settings.compress_colour == AS_IT_IS:
            return None
        compress = partial(_compressed, compression=self._settings.compress_colour)
        return Change(f"{name}{COMPRESSED_SUFFIX}", "sensor_msgs/msg/CompressedImage", compress)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        """Note which model runs, whenever it is another one."""
        health = decode_diagnostics(message, MODEL_DIAGNOSTIC)
        if health is None or "weights" not in health[2]:
            return
        model = {key: health[2][key] for key in _MODEL_KEYS if key in health[2]}
        if model != self._model:
            self._model = model
            self._recorder.note_provenance({"model": model})

    def _tell_health(self) -> None:
        if self._survey.look():
            parameters = self._survey.answers
            self._recorder.note_provenance({"parameters": parameters, **files_in_force(parameters)})
        state = self._recorder.state
        level, message = Level.OK, f"recording into {self._folder}"
        if state.end_reason:
            level, message = Level.ERROR, f"recording has ended: {state.end_reason}"
            if not self._told_end:
                self._told_end = True
                self.get_logger().error(message)
        elif state.dropped or self._lost() or self._not_recorded():
            level, message = Level.WARN, f"{message}, not everything"
        values = {**self._outcome(state), "queued_mb": state.queued_bytes / _MEBIBYTE}
        header = encode_header(self.get_clock().now().nanoseconds, "")
        self._diagnostics.publish(encode_diagnostics(DIAGNOSTIC_NAME, level, message, values, header, NAME))

    def _outcome(self, state: RecorderState) -> dict[str, Any]:
        """What the recording came to; the thread that writes asks for it too."""
        lost = {name: recording.lost for name, recording in list(self._recordings.items()) if recording.lost}
        return {
            "messages": state.recorded,
            "topics": len(self._recordings),
            "size_mb": state.written_bytes / _MEBIBYTE,
            "dropped": sum(state.dropped.values()),
            "dropped_by_topic": state.dropped,
            "lost": sum(lost.values()),
            "lost_by_topic": lost,
            "not_recorded": self._not_recorded(),
            "end_reason": state.end_reason,
        }

    def _not_recorded(self) -> dict[str, str]:
        """Why a topic, or one of those who publish on it, is not recorded; by topic."""
        # A copy: topics may come while another thread asks.
        recordings = list(self._recordings.items())
        return {**self._refused, **{name: one.unheard for name, one in recordings if one.unheard}}

    def _lost(self) -> int:
        return sum(recording.lost for recording in self._recordings.values())


def _folder(bag: str) -> Path:
    return Path(bag).expanduser() if bag else DEFAULT_FOLDER / datetime.now(UTC).strftime("%Y-%m-%d_%H-%M-%S")


def _compressed(data: bytes, compression: str) -> bytes:
    """A colour image's message in CDR as a compressed image's."""
    image = deserialize_message(data, Image)
    compressed = encode_compressed_colour(decode_colour(image), image.header, compression)
    return bytes(serialize_message(compressed))


def ros_arguments(words: Sequence[str]) -> list[str]:
    """The command line with the bag's folder, which may stand first, as a parameter.

    Raises:
        ParameterError: More than one folder, or an option that is not ROS's.
    """
    plain = remove_ros_args(["record", *words])[1:]
    if len(plain) > 1 or any(word.startswith("-") for word in plain):
        raise ParameterError(
            f"expected at most the folder of the bag before --ros-args, got {' '.join(plain)!r}; "
            "other settings are parameters: --ros-args -p compress_colour:=jpeg"
        )
    if not plain:
        return list(words)
    rest = list(words)
    rest.remove(plain[0])
    return [*rest, "--ros-args", "-p", f"bag:={plain[0]}"]


def main() -> None:
    """Entry point of ``ros2 run tracegen_ros record``."""
    try:
        arguments = ros_arguments(sys.argv[1:])
    except ParameterError as error:
        sys.exit(f"record: {error}")
    # Ctrl-C ends the spinning through ROS alone: an exception in the middle of taking messages would lose some.
    signal.signal(signal.SIGINT, lambda *_: None)
    sys.exit(run_node(RecordNode, arguments))
