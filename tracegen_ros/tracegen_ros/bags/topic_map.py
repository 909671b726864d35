"""Which topics of a bag are the ones this project works on, and what the bag lacks.

A bag of another cell is read through a mapping file; what it leaves out is as in this project:

topics:
  colour: /camera/rgb/image_color          # image, raw or compressed
  depth: /camera/depth/image
  joint_states: /franka_state_controller/joint_states
camera_pose: calibration.yaml              # a calibration file, relative to this one
intrinsics: {fx: 525.0, fy: 525.0, cx: 319.5, cy: 239.5, width: 640, height: 480}
joint_names: {panda_joint1: fr3_joint1}    # recorded name: name here
depth_scale: 0.0002                        # metres per unit of a depth image of integers
instruction: put the red block in the green zone
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tracegen_model.camera import CameraIntrinsics, IntrinsicsError
from tracegen_ros.camera_calibration import CalibrationError, CameraCalibration, read_camera_calibration

_TOPICS = "topics"
_FIXED = ("camera_pose", "intrinsics", "joint_names", "depth_scale", "instruction")


class TopicMapError(ValueError):
    """A mapping file that cannot be used."""


@dataclass(frozen=True)
class TopicMap:
    """Recorded topic names, and fixed values for what a bag lacks.

    Attributes:
        colour: Colour images.
        colour_info: Intrinsics of the colour camera.
        depth: Depth images, aligned to the colour ones.
        depth_info: Intrinsics of the depth images.
        joint_states: Joint states of the arm.
        gripper: Joint states of the gripper's fingers.
        instruction: Sentences that say what to do.
        traces: Traces that were predicted.
        commands: Joint trajectories that were sent.
        follower_state: The follower's states, with reasons.
        core_calls: With what the follower called its motion core.
        tf: Moving transforms.
        tf_static: Fixed transforms, the camera's pose among them.
        clock: Simulated time.
        diagnostics: What the nodes said about their health.
        camera_pose: The camera's pose, in place of a recorded one; None takes the recorded one.
        intrinsics: The camera's intrinsics, in place of recorded ones; None takes the recorded ones.
        joint_names: Names in this project by recorded name; names that it lacks stay as they are.
        depth_scale: Metres per unit of a depth image of integers [m]; None means that its encoding tells.
        instruction_text: What was to be done, in place of recorded sentences; None takes the recorded ones.
    """

    colour: str = "/camera/camera/color/image_raw"
    colour_info: str = "/camera/camera/color/camera_info"
    depth: str = "/camera/camera/aligned_depth_to_color/image_raw"
    depth_info: str = "/camera/camera/aligned_depth_to_color/camera_info"
    joint_states: str = "/joint_states"
    gripper: str = "/joint_states"
    instruction: str = "/task_instruction"
    traces: str = "/tracegen/traces"
    commands: str = "/joint_trajectory_controller/joint_trajectory"
    follower_state: str = "/trace_follower/state"
    core_calls: str = "/trace_follower/core_calls"
    tf: str = "/tf"
    tf_static: str = "/tf_static"
    clock: str = "/clock"
    diagnostics: str = "/diagnostics"
    camera_pose: CameraCalibration | None = None
    intrinsics: CameraIntrinsics | None = None
    joint_names: Mapping[str, str] = field(default_factory=dict)
    depth_scale: float | None = None
    instruction_text: str | None = None

    @classmethod
    def load(cls, path: str | Path) -> TopicMap:
        """The map in the YAML file ``path``.

        Raises:
            TopicMapError: No such file, not YAML, a key nobody knows, or a value of the wrong kind.
        """
        path = Path(path)
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise TopicMapError(f"cannot read the mapping file {path}: {error}") from error
        content = {} if content is None else content
        if not isinstance(content, dict):
            raise TopicMapError(f"the mapping file {path} must hold keys and values, got {content!r}")
        _refuse_unknown(path, "", content, (_TOPICS, *_FIXED))
        topics = _mapping(path, content, _TOPICS)
        names = [one.name for one in dataclasses.fields(cls) if isinstance(one.default, str)]
        _refuse_unknown(path, f"{_TOPICS}.", topics, names)
        for name, topic in topics.items():
            if not topic.startswith("/"):
                raise TopicMapError(
                    f"{_TOPICS}.{name} in {path} must be a topic's full name such as /{topic}, got {topic!r}"
                )
        return cls(
            **topics,
            camera_pose=_camera_pose(path, content),
            intrinsics=_intrinsics(path, content),
            joint_names=_mapping(path, content, "joint_names"),
            depth_scale=_depth_scale(path, content),
            instruction_text=None if content.get("instruction") is None else str(content["instruction"]),
        )


def _refuse_unknown(
    path: Path, prefix: str, content: Mapping[str, Any], known: tuple[str, ...] | list[str]
) -> None:
    for key in content:
        if key not in known:
            raise TopicMapError(f"{prefix}{key} in {path} means nothing; known are {', '.join(known)}")


def _mapping(path: Path, content: Mapping[str, Any], key: str) -> dict[str, str]:
    value = content.get(key)
    value = {} if value is None else value
    if not isinstance(value, dict) or not all(
        isinstance(text, str) for pair in value.items() for text in pair
    ):
        raise TopicMapError(f"{key} in {path} must hold names and names, got {value!r}")
    return value


def _camera_pose(path: Path, content: Mapping[str, Any]) -> CameraCalibration | None:
    file = content.get("camera_pose")
    if file is None:
        return None
    try:
        return read_camera_calibration(path.parent / str(file))
    except CalibrationError as error:
        raise TopicMapError(f"camera_pose in {path}: {error}") from error


def _intrinsics(path: Path, content: Mapping[str, Any]) -> CameraIntrinsics | None:
    numbers = content.get("intrinsics")
    if numbers is None:
        return None
    try:
        return CameraIntrinsics(**numbers)
    except (IntrinsicsError, TypeError, ValueError) as error:
        raise TopicMapError(
            f"intrinsics in {path} must be fx, fy, cx, cy [px], width and height, got {numbers!r}: {error}"
        ) from error


def _depth_scale(path: Path, content: Mapping[str, Any]) -> float | None:
    value = content.get("depth_scale")
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or value <= 0
    ):
        raise TopicMapError(f"depth_scale in {path} must be metres per unit such as 0.001, got {value!r}")
    return float(value)
