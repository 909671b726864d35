"""A calibration session on disk: images and hand poses as they were captured, so that nothing is lost and all can be
solved again.

    session.yaml     board, camera, frames
    pose_001.png     the image ...
    pose_001.yaml    ... and where the hand was; written last, so that a pose is there wholly or not at all
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from tracegen_model.atomic_write import write_atomically
from tracegen_model.camera import CameraIntrinsics, IntrinsicsError
from tracegen_ros.calibration.board import CalibrationBoard
from tracegen_ros.calibration.board_view import Lens, find_board
from tracegen_ros.calibration.errors import CalibrationDataError
from tracegen_ros.calibration.solution import CapturedPose

FloatArray = NDArray[np.float64]

_DESCRIPTION = "session.yaml"


@dataclass(frozen=True)
class SessionDescription:
    """What all poses of a session share.

    Attributes:
        board: The board.
        lens: The camera.
        base_frame: Frame that hand poses are given in.
        hand_frame: The hand.
        camera_frame: The camera's optical frame.
    """

    board: CalibrationBoard
    lens: Lens
    base_frame: str
    hand_frame: str
    camera_frame: str


@dataclass(frozen=True)
class StoredPose:
    """One capture as stored.

    Attributes:
        name: Its number, ``001`` and so on.
        image: (H, W, 3) uint8 RGB.
        hand_in_base: (4, 4).
    """

    name: str
    image: NDArray[np.uint8]
    hand_in_base: FloatArray


class CalibrationSession:
    """The folder of one session.

    Attributes:
        folder: Where it is.
        description: What its poses share.
    """

    def __init__(self, folder: Path, description: SessionDescription) -> None:
        self.folder = folder
        self.description = description

    @classmethod
    def create(cls, folder: str | Path, description: SessionDescription) -> CalibrationSession:
        """Start a session in ``folder``, or go on with the one that is there.

        Raises:
            CalibrationDataError: Another board, camera or frame was used there.
        """
        path = Path(folder)
        if (path / _DESCRIPTION).is_file():
            session = cls.open(path)
            if _as_content(session.description) != _as_content(description):
                raise CalibrationDataError(
                    f"{path} holds a session with another board, camera or frame; choose another folder"
                )
            return session
        path.mkdir(parents=True, exist_ok=True)
        write_atomically(path / _DESCRIPTION, yaml.safe_dump(_as_content(description), sort_keys=False))
        return cls(path, description)

    @classmethod
    def open(cls, folder: str | Path) -> CalibrationSession:
        """The session stored in ``folder``.

        Raises:
            CalibrationDataError: There is none, or it is damaged.
        """
        path = Path(folder)
        try:
            content = yaml.safe_load((path / _DESCRIPTION).read_text(encoding="utf-8"))
            camera = dict(content["camera"])
            lens = Lens(distortion=tuple(camera.pop("distortion")), intrinsics=CameraIntrinsics(**camera))
            description = SessionDescription(
                CalibrationBoard(**content["board"]),
                lens,
                **{key: str(value) for key, value in content["frames"].items()},
            )
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, IntrinsicsError) as error:
            raise CalibrationDataError(f"{path} holds no calibration session: {error}") from error
        return cls(path, description)

    @property
    def names(self) -> tuple[str, ...]:
        """Numbers of the poses stored, in their order."""
        return tuple(sorted(file.stem.removeprefix("pose_") for file in self.folder.glob("pose_*.yaml")))

    def add(self, image: NDArray[np.uint8], hand_in_base: FloatArray) -> str:
        """Store a capture, image (H, W, 3) RGB and hand pose (4, 4); returns its number."""
        number = 1 + max((int(name) for name in self.names), default=0)
        name = f"{number:03d}"
        encoded, pixels = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        if not encoded:
            raise CalibrationDataError(f"the image of pose {name} cannot be stored as PNG")
        write_atomically(self._file(name, "png"), pixels.tobytes())
        content = {"hand_in_base": np.asarray(hand_in_base, dtype=float).tolist()}
        write_atomically(self._file(name, "yaml"), yaml.safe_dump(content))
        return name

    def remove(self, name: str) -> None:
        """Forget the pose ``name``."""
        self._file(name, "yaml").unlink(missing_ok=True)
        self._file(name, "png").unlink(missing_ok=True)

    def poses(self) -> Iterator[StoredPose]:
        """Everything stored, in order.

        Raises:
            CalibrationDataError: A file is damaged.
        """
        for name in self.names:
            file = self._file(name, "yaml")
            try:
                content = yaml.safe_load(file.read_text(encoding="utf-8"))
                hand_in_base = np.array(content["hand_in_base"], dtype=float).reshape(4, 4)
            except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
                raise CalibrationDataError(f"{file} holds no pose: {error}; delete it") from error
            rotation = hand_in_base[:3, :3]
            if not np.isfinite(hand_in_base).all() or np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-4:
                raise CalibrationDataError(f"{file} holds no rigid pose; delete it")
            image = cv2.imread(str(self._file(name, "png")), cv2.IMREAD_COLOR)
            if image is None:
                raise CalibrationDataError(
                    f"the image {self._file(name, 'png')} cannot be read; delete {file}"
                )
            yield StoredPose(name, np.ascontiguousarray(image[..., ::-1]), hand_in_base)

    def captured(self) -> tuple[list[CapturedPose], list[str]]:
        """The poses in whose image the board is found, and the numbers of the others."""
        found: list[CapturedPose] = []
        without: list[str] = []
        for pose in self.poses():
            view = find_board(pose.image, self.description.board, self.description.lens)
            if view is None:
                without.append(pose.name)
            else:
                found.append(CapturedPose(pose.name, pose.hand_in_base, view))
        return found, without

    def with_board(self, board: CalibrationBoard) -> CalibrationSession:
        """The same poses, read as images of another ``board``: for one that was measured anew."""
        return CalibrationSession(self.folder, replace(self.description, board=board))

    def _file(self, name: str, ending: str) -> Path:
        return self.folder / f"pose_{name}.{ending}"


def _as_content(description: SessionDescription) -> dict[str, Any]:
    lens = description.lens
    return {
        "board": asdict(description.board),
        "camera": {**asdict(lens.intrinsics), "distortion": list(lens.distortion)},
        "frames": {
            "base_frame": description.base_frame,
            "hand_frame": description.hand_frame,
            "camera_frame": description.camera_frame,
        },
    }
