"""The camera's intrinsics and pose in a replay, whether they were recorded or are in the topic map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tf2_msgs.msg import TFMessage

from tracegen_ros.bags.recording import Entry, Recording, Role
from tracegen_ros.bags.topic_map import TopicMap
from tracegen_ros.messages import encode_header

INFOS = (Role.COLOUR_INFO, Role.DEPTH_INFO)

_LIVE = TopicMap()


class ReplayedCamera:
    """What has to be said before an image, so that it can be used.

    Args:
        recording: What is replayed.

    Raises:
        BagError: The recording has no colour image, or no intrinsics, that can be read.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._frame = recording.camera_frame()
        infos = {role: recording.first_info(role) for role in INFOS}
        self._infos = {role: info.data for role, info in infos.items() if info is not None}
        self._statics = recording.static_transforms()

    def note_info(self, entry: Entry) -> None:
        """Intrinsics that hold from now on."""
        self._infos[entry.role] = entry.message.data

    def transforms(self) -> TFMessage:
        """All static transforms; the camera's from the topic map where that has one."""
        fixed = self._recording.camera_transform(self._frame)
        kept = [one for one in self._statics if fixed is None or one.child_frame_id != self._frame]
        return TFMessage(transforms=kept if fixed is None else [*kept, fixed])

    def infos(self, stamp_ns: int) -> Iterator[tuple[str, Any | bytes]]:
        """Live topic and message, or its bytes, of the intrinsics of the image of ``stamp_ns`` that comes next."""
        fixed = self._recording.fixed_intrinsics(encode_header(stamp_ns, self._frame))
        if fixed is not None:
            yield _LIVE.colour_info, fixed
        for role, data in self._infos.items():
            yield str(getattr(_LIVE, role.value)), data
