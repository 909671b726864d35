"""What a bag holds: topics and messages as they came over the wire, and the error for what is no bag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rclpy.serialization import deserialize_message
from rosidl_runtime_py.utilities import get_message


class BagError(ValueError):
    """Not a bag, an empty or unreadable one, or a message in it that cannot be read; says what was expected."""


@dataclass(frozen=True)
class RecordedTopic:
    """One topic of a bag.

    Attributes:
        name: Topic as recorded.
        kind: Message type, such as ``sensor_msgs/msg/Image``.
        count: Messages on it; None where the bag does not tell without reading all of it.
        latched: A late joiner gets the last message (transient local), as on ``/tf_static``.
    """

    name: str
    kind: str
    count: int | None
    latched: bool


@dataclass(frozen=True)
class RecordedMessage:
    """One message of a bag.

    Attributes:
        topic: Topic as recorded.
        kind: Message type, such as ``sensor_msgs/msg/Image``.
        received_ns: When the recorder received it [ns since the epoch of the recorder's clock].
        data: The message in CDR, with its four bytes of header, as ``rclpy`` publishes it as it is.
    """

    topic: str
    kind: str
    received_ns: int
    data: bytes

    def message(self) -> Any:
        """The ROS message.

        Raises:
            BagError: The type is not known on this machine, or the bytes are not such a message.
        """
        try:
            kind = get_message(self.kind)
        except (AttributeError, ModuleNotFoundError, ValueError) as error:
            raise BagError(
                f"messages on {self.topic} are of type {self.kind}, which is not known here; "
                "source the workspace that has it, or leave the topic out"
            ) from error
        try:
            return deserialize_message(self.data, kind)
        except Exception as error:  # rclpy raises what its middleware raises, which has no common type
            if isinstance(error.__cause__, KeyboardInterrupt):
                raise error.__cause__ from None  # A Ctrl-C at this moment is no fault of the message.
            raise BagError(
                f"the message on {self.topic} received at {self.received_ns} ns is damaged: "
                f"its {len(self.data)} bytes are no {self.kind}"
            ) from error
