"""The MuJoCo model: an FR3 with hand at a table with two blocks, two zones and a camera.

Robot meshes and inertias are those of ``franky-sim`` (Apache-2.0). Poses are in ``fr3_link0``, the world frame.
"""

from __future__ import annotations

from pathlib import Path

import franky_sim
import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fr3_sim.appearance import TABLE_TEXTURE_SIDE, Appearance, nominal_appearance
from fr3_sim.camera_pose import nominal_camera_in_base
from fr3_sim.layout import BLOCK_COUNT, BLOCK_HALF_SIZE, ZONE_COUNT, ZONE_RADIUS, TableLayout

ARM_JOINTS = tuple(f"fr3_joint{index}" for index in range(1, 8))
FINGER_JOINTS = ("finger_joint1", "finger_joint2")

TCP_OFFSET = 0.1034
"""Distance of the tool centre point from the hand's frame along its z axis [m] (franka_description)."""

PHYSICS_PERIOD = 0.002
"""Physics time step [s]: 500 Hz."""

CAMERA_WIDTH, CAMERA_HEIGHT = 640, 480
CAMERA_FOCAL_LENGTH = 615.0
"""Focal length of the colour camera [px at 640x480], that of a D435."""

GRIPPER_GAIN = 5.0
"""Factor on the stock finger actuator's gains, whose grip of about 2 N drops a block."""

ZONE_HALF_THICKNESS = 0.0008
BLOCK_MASS = 0.05
TABLE_HALF_SIZE = (0.7, 0.8, 0.025)

HOME_JOINTS = np.array([0.0, 0.1, 0.0, -2.1, 0.0, 2.2, 0.785])
"""Arm posture [rad] with the hand pointing down over the middle of the table."""

HAND_BODIES = ("hand", "left_finger", "right_finger")


class TabletopScene:
    """The compiled model, one state of it, and the names of its parts.

    Attributes:
        model: MuJoCo model; appearance and camera pose are changed in place.
        data: Its state.
        arm_qpos: Indices of the seven arm joints in ``qpos``; likewise ``finger_qpos``, and ``arm_dof`` in ``qvel``.
        block_bodies: Body id of each block.
        hand_bodies: Body ids of hand and fingers.
        arm_bodies: Body ids of the robot's other links.
        texture_revision: Counts changes of the table texture, which renderers have to upload.
    """

    def __init__(self) -> None:
        self.model = _build_model()
        self.data = mujoco.MjData(self.model)
        model = self.model
        self.arm_qpos = np.array([model.joint(name).qposadr[0] for name in ARM_JOINTS])
        self.arm_dof = np.array([model.joint(name).dofadr[0] for name in ARM_JOINTS])
        self.finger_qpos = np.array([model.joint(name).qposadr[0] for name in FINGER_JOINTS])
        self.arm_range = np.array([model.joint(name).range for name in ARM_JOINTS])
        self.block_bodies = [model.body(f"block{index}").id for index in range(BLOCK_COUNT)]
        self._block_qpos = [model.joint(f"block{index}").qposadr[0] for index in range(BLOCK_COUNT)]
        self._block_dof = [model.joint(f"block{index}").dofadr[0] for index in range(BLOCK_COUNT)]
        self.hand_body = model.body("hand").id
        self.hand_bodies = np.array([model.body(name).id for name in HAND_BODIES])
        robot = [
            b
            for b in range(model.nbody)
            if model.body(b).name.startswith("fr3_link") or model.body(b).name == "base"
        ]
        self.arm_bodies = np.array(robot)
        self.tcp_site = model.site("tcp").id
        self.camera_id = model.camera("camera").id
        self.texture_revision = 0
        self.layout: TableLayout | None = None
        self.set_camera_pose(nominal_camera_in_base())

    # --- what is on the table -------------------------------------------------------------------------------

    def reset(self, layout: TableLayout, appearance: Appearance | None = None) -> None:
        """Put ``layout`` on the table, the arm at home with open fingers, everything at rest."""
        mujoco.mj_resetData(self.model, self.data)
        self.layout = layout
        for index in range(BLOCK_COUNT):
            self.place_block(index, layout.block_positions[index], layout.block_yaws[index])
        for index in range(ZONE_COUNT):
            self.model.geom(f"zone{index}").pos[:2] = layout.zone_positions[index]
        self.apply_appearance(appearance or nominal_appearance(layout))
        self.set_arm(HOME_JOINTS)
        self.set_finger_width(2 * 0.04)
        mujoco.mj_forward(self.model, self.data)

    def place_block(
        self, index: int, position: ArrayLike, yaw: float, height: float = BLOCK_HALF_SIZE
    ) -> None:
        """Put block ``index`` at ``position`` (x, y) [m], turned by ``yaw`` [rad], its centre at ``height`` [m]."""
        x, y = np.asarray(position, dtype=float)[:2]
        cos, sin = np.cos(yaw), np.sin(yaw)
        rotation = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        self.pose_block(index, np.array([x, y, height]), rotation)

    def pose_block(self, index: int, position: NDArray[np.float64], rotation: NDArray[np.float64]) -> None:
        """Put block ``index`` at rest at ``position`` (3,) [m] with ``rotation`` (3, 3)."""
        quaternion = np.zeros(4)
        mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(rotation).ravel())
        start = self._block_qpos[index]
        self.data.qpos[start : start + 7] = [*position, *quaternion]
        self.data.qvel[self._block_dof[index] : self._block_dof[index] + 6] = 0.0

    def block_position(self, index: int) -> NDArray[np.float64]:
        """(3,) centre of block ``index`` [m]."""
        return self.data.xpos[self.block_bodies[index]].copy()

    def block_yaw(self, index: int) -> float:
        """Rotation of block ``index`` about z [rad]."""
        rotation = self.data.xmat[self.block_bodies[index]].reshape(3, 3)
        return float(np.arctan2(rotation[1, 0], rotation[0, 0]))

    def apply_appearance(self, appearance: Appearance) -> None:
        """Colours, texture and light of the scene."""
        model = self.model
        for index in range(BLOCK_COUNT):
            model.geom(f"block{index}").rgba[:3] = appearance.block_rgb[index]
        for index in range(ZONE_COUNT):
            model.geom(f"zone{index}").rgba[:3] = appearance.zone_rgb[index]
        model.geom("floor").rgba[:3] = appearance.floor_rgb
        texture = model.texture("table")
        start = int(texture.adr[0])
        pixels = appearance.table_texture.reshape(-1)
        model.tex_data[start : start + pixels.size] = pixels
        self.texture_revision += 1
        light = model.light("lamp")
        light.dir[:] = appearance.light_direction
        light.diffuse[:] = appearance.light_diffuse
        light.ambient[:] = appearance.light_ambient

    def set_camera_pose(self, camera_in_base: NDArray[np.float64]) -> None:
        """Move the camera: (4, 4) pose of its optical frame (x right, y down, z forward) in the base frame."""
        self.camera_in_base = np.array(camera_in_base, dtype=float)
        # MuJoCo's cameras look along -z with y up.
        axes = camera_in_base[:3, :3] * np.array([1.0, -1.0, -1.0])
        quaternion = np.zeros(4)
        mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(axes).ravel())
        self.model.cam_pos[self.camera_id] = camera_in_base[:3, 3]
        self.model.cam_quat[self.camera_id] = quaternion
        mujoco.mj_camlight(self.model, self.data)

    # --- the robot ------------------------------------------------------------------------------------------

    def set_arm(self, joints: ArrayLike) -> None:
        """Teleport the arm to ``joints`` (7,) [rad], at rest, actuators holding it there."""
        self.data.qpos[self.arm_qpos] = joints
        self.data.qvel[self.arm_dof] = 0.0
        self.data.ctrl[: len(ARM_JOINTS)] = joints

    def set_finger_width(self, width: float) -> None:
        """Teleport the fingers to an opening of ``width`` [m], 0 to 0.08."""
        self.data.qpos[self.finger_qpos] = width / 2

    @property
    def arm_joints(self) -> NDArray[np.float64]:
        """(7,) arm joint positions [rad]."""
        return self.data.qpos[self.arm_qpos].copy()

    @property
    def finger_width(self) -> float:
        """Opening between the fingers [m]."""
        return float(self.data.qpos[self.finger_qpos].sum())

    @property
    def tcp_position(self) -> NDArray[np.float64]:
        """(3,) tool centre point [m]."""
        return self.data.site_xpos[self.tcp_site].copy()

    @property
    def tcp_rotation(self) -> NDArray[np.float64]:
        """(3, 3) rotation of the hand in the base frame."""
        return self.data.site_xmat[self.tcp_site].reshape(3, 3).copy()


def _build_model() -> mujoco.MjModel:
    assets = Path(franky_sim.__file__).parent / "assets"
    spec = mujoco.MjSpec.from_file(str(assets / "fr3.xml"))
    spec.meshdir = str(assets / "meshes")
    spec.option.timestep = PHYSICS_PERIOD
    for key in list(spec.keys):
        spec.delete(key)
    for body in spec.bodies:
        if body.name != "world":
            body.gravcomp = 1.0
    spec.body("hand").add_site(name="tcp", pos=[0.0, 0.0, TCP_OFFSET])
    _add_table(spec)
    for index in range(ZONE_COUNT):
        _add_zone(spec, index)
    for index in range(BLOCK_COUNT):
        _add_block(spec, index)
    _add_view(spec)
    model = spec.compile()
    gripper = model.actuator("hand")
    gripper.gainprm[0] *= GRIPPER_GAIN
    gripper.biasprm[1:3] *= GRIPPER_GAIN
    return model


def _add_table(spec: mujoco.MjSpec) -> None:
    spec.add_texture(
        name="table",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
        rgb1=[0.6, 0.5, 0.4],
        width=TABLE_TEXTURE_SIDE,
        height=TABLE_TEXTURE_SIDE,
    )
    material = spec.add_material(name="table", specular=0.1, shininess=0.1)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "table"
    world = spec.worldbody
    box = mujoco.mjtGeom.mjGEOM_BOX
    world.add_geom(
        name="table", type=box, pos=[0.5, 0.0, -TABLE_HALF_SIZE[2]], size=TABLE_HALF_SIZE, material="table"
    )
    world.add_geom(
        name="floor",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        pos=[0.0, 0.0, -0.8],
        size=[5.0, 5.0, 0.1],
        rgba=[0.35, 0.38, 0.4, 1.0],
    )


def _add_zone(spec: mujoco.MjSpec, index: int) -> None:
    spec.worldbody.add_geom(
        name=f"zone{index}",
        type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        pos=[0.5, 0.0, ZONE_HALF_THICKNESS / 2],
        size=[ZONE_RADIUS, ZONE_HALF_THICKNESS, 0.0],
        contype=0,
        conaffinity=0,
    )


def _add_block(spec: mujoco.MjSpec, index: int) -> None:
    body = spec.worldbody.add_body(name=f"block{index}", pos=[0.5, 0.1 * index, BLOCK_HALF_SIZE])
    body.add_freejoint(name=f"block{index}")
    body.add_geom(
        name=f"block{index}",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[BLOCK_HALF_SIZE] * 3,
        mass=BLOCK_MASS,
        friction=[1.2, 0.02, 0.001],
        condim=4,
    )


def _add_view(spec: mujoco.MjSpec) -> None:
    spec.worldbody.add_light(
        name="lamp", pos=[0.8, 0.5, 2.5], type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, castshadow=False
    )
    fovy = 2 * np.degrees(np.arctan(CAMERA_HEIGHT / 2 / CAMERA_FOCAL_LENGTH))
    spec.worldbody.add_camera(name="camera", fovy=fovy)
    spec.visual.quality.offsamples = 0
    spec.visual.headlight.active = 0
    spec.visual.map.znear = 0.01
    spec.visual.map.zfar = 10.0
    spec.visual.global_.offwidth = CAMERA_WIDTH
    spec.visual.global_.offheight = CAMERA_HEIGHT
