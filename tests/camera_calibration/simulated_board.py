"""Images of a calibration board in a robot's hand, with known truth.

Each pixel's ray meets the board's plane, and the print there is what it sees: lens distortion, supersampling, defocus,
uneven light and sensor noise included. Poses are those of a hand that a person might drive to, seen by a camera that
looks at the robot.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_ros.calibration.board import CalibrationBoard
from tracegen_ros.calibration.board_view import BoardView, Lens, find_board
from tracegen_ros.calibration.rigid_motion import inverse, motion, rotation_from_vector
from tracegen_ros.calibration.solution import CapturedPose

FloatArray = NDArray[np.float64]

LENS = Lens(CameraIntrinsics(fx=615.0, fy=615.0, cx=319.5, cy=239.5, width=640, height=480))
"""A D435's colour stream at 640x480, without distortion."""

CAMERA_IN_BASE = motion(
    np.array([[0.355, 0.598, -0.719], [0.935, -0.227, 0.273], [0.0, -0.769, -0.640]]), [1.05, 0.22, 0.62]
)
"""Where the camera stands, about."""
CAMERA_IN_BASE[:3, :3] = np.linalg.qr(CAMERA_IN_BASE[:3, :3])[0] * np.sign(
    np.diag(np.linalg.qr(CAMERA_IN_BASE[:3, :3])[1])
)

BOARD_IN_HAND = motion(rotation_from_vector([0.1, -1.4, 0.05]), [0.03, -0.11, 0.06])
"""The board's corner in the hand: tilted, so that the camera sees it when the hand points down."""

TEXTURE_SCALE = 2000.0
"""Resolution of the print [px/m]."""

RIM = 0.012
"""White paper around the board [m]."""

SUPERSAMPLING = 3
WINDOW_MARGIN = 6
"""Rendered around the print [px]."""

BACKGROUND = 96.0
INK, PAPER = 25.0, 225.0


@dataclass(frozen=True)
class ImageQuality:
    """How well the camera sees.

    Attributes:
        blur: Standard deviation of defocus and motion [px].
        noise: Standard deviation of a pixel's grey value [of 255].
        shading: Relative difference of light between two sides of the image.
    """

    blur: float
    noise: float
    shading: float


CLEAN = ImageQuality(blur=0.0, noise=0.0, shading=0.0)
USUAL = ImageQuality(blur=0.6, noise=3.0, shading=0.3)
POOR = ImageQuality(blur=1.2, noise=10.0, shading=0.6)


def board_texture(board: CalibrationBoard) -> NDArray[np.float32]:
    """The print, grey values; its first pixel lies ``RIM`` beside the board's corner."""
    width, height = (round((side + 2 * RIM) * TEXTURE_SCALE) for side in board.size)
    texture = np.full((height, width), PAPER, np.float32)
    for (left, top), (right, bottom) in np.rint((board.black_rectangles() + RIM) * TEXTURE_SCALE).astype(int):
        texture[top:bottom, left:right] = INK
    return texture


def render_board(
    board: CalibrationBoard,
    board_in_camera: FloatArray,
    lens: Lens,
    quality: ImageQuality,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Grey image (H, W) of the board on a grey background."""
    intrinsics = lens.intrinsics
    width, height = intrinsics.width, intrinsics.height
    left, top, right, bottom = _window(board, board_in_camera, lens)
    step = 1.0 / SUPERSAMPLING
    u = left + (np.arange((right - left) * SUPERSAMPLING) + 0.5) * step - 0.5
    v = top + (np.arange((bottom - top) * SUPERSAMPLING) + 0.5) * step - 0.5
    pixels = np.stack(np.meshgrid(u, v), axis=-1)
    if any(lens.distortion):
        pixels = lens.ideal(pixels.reshape(-1, 2)).reshape(pixels.shape)
    rays = intrinsics.back_project(pixels, np.ones(pixels.shape[:2]))
    to_board = inverse(board_in_camera)
    origin, directions = to_board[:3, 3], rays @ to_board[:3, :3].T
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = -origin[2] / directions[..., 2]
        on_board = origin[:2] + distance[..., None] * directions[..., :2]
    on_texture = (on_board + RIM) * TEXTURE_SCALE - 0.5
    on_texture[~(distance > 0.0)] = -1e6
    fine = cv2.remap(
        board_texture(board),
        on_texture[..., 0].astype(np.float32),
        on_texture[..., 1].astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=BACKGROUND,
    )
    image = np.full((height, width), BACKGROUND, np.float32)
    image[top:bottom, left:right] = cv2.resize(
        fine, (right - left, bottom - top), interpolation=cv2.INTER_AREA
    )
    light = 1.0 - quality.shading * np.linspace(0.0, 1.0, width)[None, :].astype(np.float32)
    image = image * light
    if quality.blur > 0.0:
        image = cv2.GaussianBlur(image, (0, 0), quality.blur)
    image = image + rng.normal(0.0, quality.noise, image.shape) if quality.noise else image
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _window(board: CalibrationBoard, board_in_camera: FloatArray, lens: Lens) -> tuple[int, int, int, int]:
    """The part of the image that the print can lie in: first and last column and row, the last ones excluded [px]."""
    across, down = board.size
    outline = np.array(
        [[x, y, 0.0] for x in np.linspace(-RIM, across + RIM, 5) for y in np.linspace(-RIM, down + RIM, 5)]
    )
    in_camera = outline @ board_in_camera[:3, :3].T + board_in_camera[:3, 3]
    distortion = np.array(lens.distortion) if any(lens.distortion) else np.zeros(5)
    pixels = cv2.projectPoints(in_camera, np.zeros(3), np.zeros(3), lens.intrinsics.matrix, distortion)[0]
    pixels = np.asarray(pixels, dtype=float).reshape(-1, 2)
    low = np.maximum(np.floor(pixels.min(axis=0)) - WINDOW_MARGIN, 0).astype(int)
    high = np.minimum(
        np.ceil(pixels.max(axis=0)) + WINDOW_MARGIN, [lens.intrinsics.width, lens.intrinsics.height]
    ).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def random_board_pose(board: CalibrationBoard, lens: Lens, rng: np.random.Generator) -> FloatArray:
    """(4, 4) board_in_camera that faces the camera, wholly in the image, tilted and turned as a person would do it."""
    while True:
        tilt_axis = rng.normal(size=2)
        tilt = np.radians(rng.uniform(5.0, 38.0)) * tilt_axis / np.linalg.norm(tilt_axis)
        turn = np.radians(rng.uniform(-40.0, 40.0))
        rotation = rotation_from_vector([*tilt, 0.0]) @ rotation_from_vector([0.0, 0.0, turn])
        depth = rng.uniform(0.6, 1.1)
        pixel = rng.uniform([60.0, 60.0], [580.0, 420.0])
        middle = lens.intrinsics.back_project(pixel, depth)
        pose = motion(rotation, middle - rotation @ board.centre)
        width, height = board.size
        outline = np.array([[0.0, 0.0, 0.0], [width, 0.0, 0.0], [0.0, height, 0.0], [width, height, 0.0]])
        seen = lens.intrinsics.project(outline @ rotation.T + pose[:3, 3])
        if (seen > 4.0).all() and (seen < [lens.intrinsics.width - 5.0, lens.intrinsics.height - 5.0]).all():
            return pose


def hand_for(board_in_camera: FloatArray) -> FloatArray:
    """(4, 4) hand_in_base that shows the board there."""
    return CAMERA_IN_BASE @ board_in_camera @ inverse(BOARD_IN_HAND)


def seen_boards(
    count: int, board: CalibrationBoard, lens: Lens, quality: ImageQuality, rng: np.random.Generator
) -> list[tuple[FloatArray, BoardView]]:
    """True poses of the hand and the board as found in images taken there."""
    result: list[tuple[FloatArray, BoardView]] = []
    while len(result) < count:
        pose = random_board_pose(board, lens, rng)
        view = find_board(render_board(board, pose, lens, quality, rng), board, lens)
        if view is not None:
            result.append((hand_for(pose), view))
    return result


def captured(
    seen: list[tuple[FloatArray, BoardView]],
    position_noise: float,
    rotation_noise: float,
    rng: np.random.Generator,
) -> list[CapturedPose]:
    """What the robot reports: poses off by normal errors, [m] and [rad] standard deviation an axis."""
    return [
        CapturedPose(
            f"{index + 1:03d}",
            motion(
                hand[:3, :3] @ rotation_from_vector(rng.normal(0.0, rotation_noise, 3)),
                hand[:3, 3] + rng.normal(0.0, position_noise, 3),
            ),
            view,
        )
        for index, (hand, view) in enumerate(seen)
    ]
