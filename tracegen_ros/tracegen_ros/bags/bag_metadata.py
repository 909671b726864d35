"""``metadata.yaml``, which stands beside the files of a rosbag2 bag."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tracegen_ros.bags.recorded import BagError

FILE_NAME = "metadata.yaml"
TOP = "rosbag2_bagfile_information"

_TRANSIENT_LOCAL = (1, "transient_local")
"""How offered QoS profiles write a latched topic's durability: by number (rmw) or by name."""


@dataclass(frozen=True)
class BagMetadata:
    """What ``metadata.yaml`` says that the files themselves do not.

    Attributes:
        files: The bag's files in order, relative to its folder.
        message_compression: Format that single messages are compressed in, such as ``zstd``; empty for none.
        custom: Free entries (``custom_data``).
    """

    files: tuple[str, ...]
    message_compression: str
    custom: dict[str, str]


def read_bag_metadata(path: Path) -> BagMetadata:
    """What the file ``path`` says.

    Raises:
        BagError: It cannot be read, is not YAML, or is not about a bag.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BagError(f"cannot read {path}: {error}") from error
    about = content.get(TOP) if isinstance(content, dict) else None
    files = about.get("relative_file_paths") if isinstance(about, dict) else None
    if about is None or not isinstance(files, list):
        raise BagError(f"{path} does not describe a bag: {TOP}.relative_file_paths is missing")
    per_message = str(about.get("compression_mode", "")).upper() == "MESSAGE"
    custom = about.get("custom_data")
    return BagMetadata(
        files=tuple(str(file) for file in files),
        message_compression=str(about.get("compression_format", "")) if per_message else "",
        custom={str(key): str(value) for key, value in custom.items()} if isinstance(custom, dict) else {},
    )


def is_latched(offered_qos_profiles: str) -> bool:
    """Whether the publishers of a topic, by their profiles in YAML as bags keep them, latched what they sent."""
    try:
        profiles: Any = yaml.safe_load(offered_qos_profiles)
    except yaml.YAMLError:
        return False
    if not isinstance(profiles, list):
        return False
    return any(isinstance(one, dict) and one.get("durability") in _TRANSIENT_LOCAL for one in profiles)
