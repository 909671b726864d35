"""A bag as this project's nodes would hear it: every message has a role, a place in time, and its live form.

What the bag lacks is given by a ``TopicMap``. Time is that of the stamps: a message without one, such as an
instruction, has the time of what was recorded just before it.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import Header

from tracegen_ros.bags.bag_reader import Bag
from tracegen_ros.bags.recorded import BagError, RecordedMessage
from tracegen_ros.bags.topic_map import TopicMap
from tracegen_ros.messages import (
    MessageError,
    decode_stamp,
    encode_colour,
    encode_depth,
    encode_intrinsics,
    encode_transform,
)
from tracegen_ros.messages.compressed_images import (
    COMPRESSED_SUFFIX,
    decode_compressed_colour,
    decode_compressed_depth,
)
from tracegen_ros.messages.stamps import NANOSECONDS

BASE_FRAME = "fr3_link0"
"""The frame in which a camera pose from a file is given, whatever the recording called its robot's base."""

CLOCK_SET_BACK_NS = NANOSECONDS
"""Stamps that go back by more than this [ns] mean that the clock was set back, as a simulator's at a reset."""

RECORDED_PREFIX = "/recorded"
"""What the recorded run's own nodes said is published under this prefix when it is replayed."""

_NOT_REPLAYED = ("/clock", "/rosout", "/parameter_events")
_LIVE = TopicMap()
_CDR_HEADER_BYTES = 4
_COMPRESSED_KIND = "sensor_msgs/msg/CompressedImage"


class Role(StrEnum):
    """What a recorded topic is to the nodes."""

    COLOUR = "colour"
    COLOUR_INFO = "colour_info"
    DEPTH = "depth"
    DEPTH_INFO = "depth_info"
    JOINT_STATES = "joint_states"
    GRIPPER = "gripper"
    INSTRUCTION = "instruction"
    TF = "tf"
    TF_STATIC = "tf_static"
    TRACES = "traces"
    COMMANDS = "commands"
    FOLLOWER_STATE = "follower_state"
    CORE_CALLS = "core_calls"
    OUTPUT = "output"
    """Whatever else the recorded run's nodes said."""


INPUTS = (
    Role.COLOUR,
    Role.COLOUR_INFO,
    Role.DEPTH,
    Role.DEPTH_INFO,
    Role.JOINT_STATES,
    Role.GRIPPER,
    Role.INSTRUCTION,
    Role.TF,
    Role.TF_STATIC,
)
"""What the nodes hear; the other roles are what they say."""

IMAGES = (Role.COLOUR, Role.DEPTH)
_STAMPED = (Role.COLOUR, Role.COLOUR_INFO, Role.DEPTH, Role.DEPTH_INFO, Role.JOINT_STATES, Role.GRIPPER)


@dataclass(frozen=True)
class Entry:
    """A recorded message and what is known without decoding it.

    Attributes:
        message: As recorded.
        role: What it is to the nodes.
        stamp_ns: Its own stamp [ns]; None for messages without one.
        time_ns: Its place in the recording, in the time of the stamps [ns].
    """

    message: RecordedMessage
    role: Role
    stamp_ns: int | None
    time_ns: int


class Recording:
    """A bag under a topic map.

    Args:
        bag: Open, and open for as long as the recording is used.
        topic_map: Where its inputs are, and what it lacks.

    Raises:
        BagError: There are no colour images, no depth images, or no intrinsics: nothing can be predicted.
    """

    def __init__(self, bag: Bag, topic_map: TopicMap | None = None) -> None:
        self.bag = bag
        self.topic_map = topic_map or TopicMap()
        self._roles = self._find_roles()
        found = set(self._roles.values())
        for role, words in ((Role.COLOUR, "colour images"), (Role.DEPTH, "depth images")):
            if role not in found:
                raise BagError(self._missing(words, role))
        if Role.COLOUR_INFO not in found and self.topic_map.intrinsics is None:
            raise BagError(
                self._missing("camera intrinsics", Role.COLOUR_INFO) + ", or give the intrinsics there"
            )
        self._joint_names: dict[str, str] = dict(self.topic_map.joint_names)
        self._damaged: Counter[str] = Counter()
        self._first_damage: dict[str, str] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the bag, as far as it has been read, and how many of its messages were left out."""
        damaged = (
            f"{count} message{'s' if count > 1 else ''} on {topic} left out; the first: {self._first_damage[topic]}"
            for topic, count in self._damaged.items()
        )
        return (*self.bag.problems, *damaged)

    def leave_out(self, message: RecordedMessage, error: BagError | MessageError) -> None:
        """Count a message that cannot be used; ``problems`` tells."""
        self._damaged[message.topic] += 1
        self._first_damage.setdefault(message.topic, str(error))

    @property
    def roles(self) -> dict[str, Role]:
        """Role of each recorded topic that is replayed."""
        return dict(self._roles)

    def topic_of(self, role: Role) -> str | None:
        """The recorded topic that has ``role``, None where there is none."""
        return next((topic for topic, found in self._roles.items() if found is role), None)

    @property
    def lacks_for_commands(self) -> str | None:
        """Why no commands can be computed from this recording, None where they can."""
        if Role.JOINT_STATES not in self._roles.values():
            return self._missing("joint states", Role.JOINT_STATES)
        if (
            self.topic_map.camera_pose is None
            and not self.static_transforms()
            and self.topic_of(Role.TF) is None
        ):
            return self._missing("camera pose", Role.TF_STATIC) + ", or give the camera_pose there"
        return None

    def static_transforms(self) -> list[TransformStamped]:
        """The last word on every static transform, of the whole recording, by child frame."""
        topic = self.topic_of(Role.TF_STATIC)
        found: dict[str, TransformStamped] = {}
        for recorded in () if topic is None else self.bag.messages([topic]):
            try:
                transforms = recorded.message().transforms
            except BagError as error:
                self.leave_out(recorded, error)
                continue
            found |= {transform.child_frame_id: transform for transform in transforms}
        return list(found.values())

    def camera_transform(self, camera_frame: str) -> TransformStamped | None:
        """The topic map's camera pose, under the names the nodes look it up by; None where the map has none."""
        if self.topic_map.camera_pose is None:
            return None
        return encode_transform(
            self.topic_map.camera_pose.camera_in_base, Header(frame_id=BASE_FRAME), camera_frame
        )

    def entries(self) -> Iterator[Entry]:
        """What was recorded, in the order in which it was received; static transforms are asked for apart."""
        time_ns: int | None = None
        before_any_stamp: list[RecordedMessage] = []
        for message in self.bag.messages(self._roles):
            role = self._roles[message.topic]
            if role is Role.TF_STATIC:
                continue
            try:
                stamp_ns = stamp_of(message) if role in _STAMPED else None
            except BagError as error:
                self.leave_out(message, error)
                continue
            if stamp_ns is not None and (time_ns is None or not 0 < time_ns - stamp_ns < CLOCK_SET_BACK_NS):
                time_ns = stamp_ns
            if time_ns is None:
                before_any_stamp.append(message)
                continue
            for earlier in before_any_stamp:
                yield Entry(earlier, self._roles[earlier.topic], None, time_ns)
            before_any_stamp = []
            yield Entry(message, role, stamp_ns, time_ns)

    def live_topic(self, entry: Entry) -> str:
        """Where the nodes hear it, or, for what nodes say, where it is published beside their own words."""
        return self.live_name(entry.message.topic)

    def live_name(self, topic: str) -> str:
        """See ``live_topic``."""
        role = self._roles[topic]
        if role not in INPUTS:
            return RECORDED_PREFIX + topic
        return _LIVE.joint_states if role is Role.GRIPPER else str(getattr(_LIVE, role.value))

    def live_kind(self, topic: str) -> str:
        """Type of the live messages of a recorded topic, such as ``sensor_msgs/msg/Image``."""
        if self._roles[topic] in IMAGES:
            return "sensor_msgs/msg/Image"
        return self.bag.topics[topic].kind

    def live_message(self, entry: Entry) -> Any | bytes:
        """The message as the nodes expect it, or its bytes where it is that already.

        Raises:
            BagError: It cannot be decoded: no node is to trip over it.
        """
        message = entry.message
        try:
            if entry.role is Role.COLOUR and message.kind == _COMPRESSED_KIND:
                compressed: CompressedImage = message.message()
                return encode_colour(decode_compressed_colour(compressed), compressed.header)
            if entry.role is Role.DEPTH and (message.kind == _COMPRESSED_KIND or self.topic_map.depth_scale):
                return self._live_depth(message)
            if entry.role in (Role.JOINT_STATES, Role.GRIPPER) and self._joint_names:
                states: JointState = message.message()
                states.name = [self._joint_names.get(name, name) for name in states.name]
                return states
        except MessageError as error:
            raise BagError(f"the message on {message.topic} at {message.received_ns} ns: {error}") from error
        message.message()
        return message.data

    def first_info(self, role: Role) -> RecordedMessage | None:
        """The first intrinsics of the recording, which hold from its beginning; None where it has none."""
        topic = self.topic_of(role)
        return next(iter(self.bag.messages([topic])), None) if topic else None

    def camera_frame(self) -> str:
        """Frame of the colour images.

        Raises:
            BagError: There is no colour image that can be read.
        """
        topic = self.topic_of(Role.COLOUR)
        for message in self.bag.messages([topic] if topic else []):
            try:
                return str(message.message().header.frame_id)
            except BagError as error:
                self.leave_out(message, error)
        raise BagError(f"{self.bag.path} has no colour image that can be read; {'; '.join(self.problems)}")

    def decoded(self, entry: Entry) -> Any:
        """The live message of ``entry``, decoded.

        Raises:
            BagError: It cannot be.
        """
        live = self.live_message(entry)
        return entry.message.message() if isinstance(live, bytes) else live

    def fixed_intrinsics(self, colour: Header) -> CameraInfo | None:
        """The topic map's intrinsics for the image with header ``colour``; None where the recorded ones count."""
        intrinsics = self.topic_map.intrinsics
        return None if intrinsics is None else encode_intrinsics(intrinsics, colour)

    def _live_depth(self, message: RecordedMessage) -> Image:
        if message.kind == _COMPRESSED_KIND:
            compressed: CompressedImage = message.message()
            depth, header = decode_compressed_depth(compressed), compressed.header
            if self.topic_map.depth_scale is not None:
                depth = depth * np.float32(self.topic_map.depth_scale * 1e3)
            return encode_depth(depth, header, "32FC1")
        image: Image = message.message()
        if image.encoding not in ("16UC1", "mono16"):
            return image
        units = np.ndarray(
            (image.height, image.width),
            np.dtype(np.uint16).newbyteorder(">" if image.is_bigendian else "<"),
            bytes(image.data),
            strides=(image.step, 2),
        )
        scale = np.float32(self.topic_map.depth_scale or 1.0)
        return encode_depth(units.astype(np.float32) * scale, image.header, "32FC1")

    def _find_roles(self) -> dict[str, Role]:
        roles: dict[str, Role] = {}
        wanted = [role for role in Role if role is not Role.OUTPUT]
        for role in wanted:
            name = str(getattr(self.topic_map, role.value))
            fallback = name + COMPRESSED_SUFFIX if role in IMAGES else name
            topic = name if name in self.bag.topics else fallback
            if topic in self.bag.topics and topic not in roles:
                roles[topic] = role
        if self.topic_map.intrinsics is not None:
            roles = {topic: role for topic, role in roles.items() if role is not Role.COLOUR_INFO}
        if self.topic_map.instruction_text is not None:
            roles = {topic: role for topic, role in roles.items() if role is not Role.INSTRUCTION}
        left_out = {
            *_NOT_REPLAYED,
            self.topic_map.clock,
            *(str(getattr(self.topic_map, role)) for role in wanted),
        }
        others = {
            topic: Role.OUTPUT for topic in self.bag.topics if topic not in roles and topic not in left_out
        }
        return roles | others

    def _missing(self, words: str, role: Role) -> str:
        topic = getattr(self.topic_map, role.value)
        there = ", ".join(f"{name} ({found.kind})" for name, found in sorted(self.bag.topics.items()))
        return (
            f"{self.bag.path} has no {words} on {topic}; it has {there}; "
            f"name the topic in a mapping file (topics: {role.value}: ...)"
        )


def stamp_of(message: RecordedMessage) -> int:
    """Stamp [ns] of a serialised message that begins with a header, without decoding the rest.

    Raises:
        BagError: It is too short to hold one.
    """
    if len(message.data) < _CDR_HEADER_BYTES + 8:
        raise BagError(
            f"the message on {message.topic} received at {message.received_ns} ns is damaged: "
            f"its {len(message.data)} bytes hold no stamp"
        )
    order = "<" if message.data[1] & 1 else ">"
    seconds, nanoseconds = struct.unpack_from(f"{order}iI", message.data, _CDR_HEADER_BYTES)
    return int(seconds) * NANOSECONDS + int(nanoseconds)


def header_stamp(message: Any) -> int:
    """Stamp [ns] of a decoded message with a header."""
    return decode_stamp(message.header.stamp)
