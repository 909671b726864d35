"""Settings of the follower, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field

from ik_controller.camera_bias import BiasConfig
from ik_controller.grasping import EventConfig
from ik_controller.gripper import GripperConfig
from ik_controller.hand_motion import HandMotionConfig
from ik_controller.hand_orientation import OrientationFreedom
from ik_controller.inverse_kinematics import IkConfig
from ik_controller.motion_permit import PermitConfig
from ik_controller.path_guard import PathGuardConfig
from ik_controller.safety import SafetyConfig
from ik_controller.signalled_events import SignalConfig
from ik_controller.surface_height import SurfaceConfig
from ik_controller.task_progress import ProgressConfig
from ik_controller.workspace import Workspace


@dataclass(frozen=True)
class FollowerConfig:
    """Settings of the follower.

    Attributes:
        command_lead_s: Time between deciding and the start of a new trajectory [s]; covers transport to the controller.
        latency_compensation: Traces describe the scene at their image's stamp; the arm has moved since. It joins their
            path where it is by then, and goes on from there. False: it goes back to where the path begins.
        commit_distance: A grasp or release nearer than this along the path is carried out without replanning [m].
        commit_radius: ... and so is one whose place is this near sideways [m] and nearer than ``commit_drop`` along
            the path.
        commit_drop: See ``commit_radius`` [m].
        centring_distance: A grasp is moved sideways onto an object seen this near to it [m].
        approach_clearance: The last part of an approach goes straight down from this height above its goal [m].
        approach_speed: Speed of a committed approach [m/s].
        arrival_tolerance: The fingers move once the hand is this near to the goal [m] ...
        arrival_timeout_s: ... or this long after the approach should have ended [s].
        retreat_height: Rise after a release or an empty grasp [m].
        default_grip_height: Height of the tool centre point over an object's underside where the grasp was not seen
            [m].
        reanchor_error: A standing arm this far from its last command was moved by someone else [rad].
        orientation: How much of the hand's orientation follows the traces.
        progress: When a task is over.
        workspace: Where the hand may go and how fast.
        hand_motion: How the hand's motion is read from its points.
        events: When fingers close and open, by what moves ...
        signal: ... and by what somebody else says, where anybody does.
        surfaces: What counts as table and object.
        camera_bias: Correction of the camera's calibration.
        gripper: The fingers.
        safety: Gates.
        permit: How motion begins again after a stop.
        guard: Where the arm slows down and its path ends: singularities, collisions.
        ik: Inverse kinematics.

    Raises:
        ValueError: Distances at which the arm slows down and those that it keeps do not go together.
    """

    command_lead_s: float = 0.03
    latency_compensation: bool = True
    commit_distance: float = 0.06
    commit_radius: float = 0.015
    commit_drop: float = 0.09
    centring_distance: float = 0.03
    approach_clearance: float = 0.05
    approach_speed: float = 0.18
    arrival_tolerance: float = 0.006
    arrival_timeout_s: float = 0.6
    retreat_height: float = 0.10
    default_grip_height: float = 0.02
    reanchor_error: float = 0.015
    orientation: OrientationFreedom = OrientationFreedom.HEADING
    progress: ProgressConfig = field(default_factory=ProgressConfig)
    workspace: Workspace = field(default_factory=Workspace)
    hand_motion: HandMotionConfig = field(default_factory=HandMotionConfig)
    events: EventConfig = field(default_factory=EventConfig)
    signal: SignalConfig = field(default_factory=SignalConfig)
    surfaces: SurfaceConfig = field(default_factory=SurfaceConfig)
    camera_bias: BiasConfig = field(default_factory=BiasConfig)
    gripper: GripperConfig = field(default_factory=GripperConfig)
    safety: SafetyConfig = field(default_factory=SafetyConfig)
    permit: PermitConfig = field(default_factory=PermitConfig)
    guard: PathGuardConfig = field(default_factory=PathGuardConfig)
    ik: IkConfig = field(default_factory=IkConfig)

    @property
    def table_height(self) -> float:
        """Height of the table [m, base frame], where no image shows it."""
        given = self.workspace.table_height
        return self.workspace.lower[2] - self.surfaces.min_table_clearance if given is None else given

    def __post_init__(self) -> None:
        if self.ik.margins is not None:
            self.guard.check_margins(self.ik.margins)
