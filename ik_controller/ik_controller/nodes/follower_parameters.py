"""Parameters of ``trace_follower``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite

from ik_controller.follower import FollowerConfig, Silence
from ik_controller.hand_motion import HandMotionMethod
from ik_controller.hand_orientation import OrientationFreedom
from ik_controller.robot_model import RobotModel
from ik_controller.workspace import Workspace, WorkspaceError
from tracegen_ros.messages import nanoseconds_from
from tracegen_ros.parameters import ParameterError, parameter

_CORE = FollowerConfig()


@dataclass(frozen=True)
class FollowerParameters:
    """Topics, frames, time limits, and what of the motion is worth tuning on site.

    All else about the motion is in ``ik_controller.follower.FollowerConfig``, whose values are the defaults here.
    """

    robot: str = parameter("fr3", "Robot: the name of a shipped description, or the path of a file")
    limits: str = parameter(
        "",
        "Joint limits: the name of a shipped set, or the path of a file; empty = the robot description's own",
    )
    enabled: bool = parameter(
        False, "May move as soon as it is active; otherwise the enable service allows it"
    )
    speed: float = parameter(
        _CORE.workspace.speed, "Speed of the hand along a path [m/s]", minimum=0.01, maximum=1.0
    )
    workspace_lower: tuple[float, ...] = parameter(
        _CORE.workspace.lower, "Lower corner of the box that the tool centre point stays in [m, base frame]"
    )
    workspace_upper: tuple[float, ...] = parameter(
        _CORE.workspace.upper, "Upper corner of that box [m, base frame]"
    )
    table_height: float = parameter(
        _CORE.table_height,
        "Height of the table that the arm keeps clear of, below the box [m, base frame]",
        minimum=-10.0,
        maximum=10.0,
    )
    hand_motion: str = parameter(
        _CORE.hand_motion.method.value,
        "How the hand's motion is read from its points: a rigid fit, or the median of their displacements",
        choices=tuple(HandMotionMethod),
    )
    orientation: str = parameter(
        _CORE.orientation.value,
        "How much of the hand's orientation follows the traces: none, its heading, or all",
        choices=tuple(OrientationFreedom),
    )
    max_trace_age_s: float = parameter(
        _CORE.safety.max_trace_age_s,
        "Without newer traces for this long [s] the arm holds",
        minimum=0.1,
        maximum=10.0,
    )
    command_lead_s: float = parameter(
        _CORE.command_lead_s,
        "A trajectory starts this long after it was decided [s]",
        minimum=0.0,
        maximum=0.5,
    )
    base_frame: str = parameter(
        "", "Name of the robot's base frame in TF; empty = the robot description's own"
    )
    traces_topic: str = parameter("/tracegen/traces", "Traces to follow")
    depth_topic: str = parameter(
        "/camera/camera/aligned_depth_to_color/image_raw", "Depth images that the traces were predicted from"
    )
    camera_info_topic: str = parameter("/camera/camera/color/camera_info", "Intrinsics of the colour camera")
    joint_states_topic: str = parameter("/joint_states", "Measured joints of arm and fingers")
    instruction_topic: str = parameter("/task_instruction", "Sentence that says what to do; empty = stop")
    trajectory_topic: str = parameter(
        "/joint_trajectory_controller/joint_trajectory", "Where joint trajectories are sent"
    )
    gripper_action: str = parameter("/fr3_gripper/gripper_action", "Action server of the gripper")
    gripper_position_per_opening: float = parameter(
        1.0,
        "Position in gripper goals over the opening between the fingertips; 0.5 where a server takes one finger's",
        minimum=0.01,
        maximum=100.0,
    )
    gripper_timeout_s: float = parameter(
        2.0,
        "A gripper that does not accept a goal for this long [s of wall time] stops the follower",
        minimum=0.1,
        maximum=30.0,
    )
    lockstep: bool = parameter(
        False,
        "A simulator waits for each command: traces alone decide, and the watchdog is off, so that runs repeat exactly",
    )
    tick_after_s: float = parameter(
        0.12,
        "Without a trace for this long [s, node clock] the watchdog looks after the motion",
        minimum=0.01,
        maximum=5.0,
    )
    input_timeout_s: float = parameter(
        1.0,
        "Traces wait this long [s of wall time] for the depth image and joint states of their stamp",
        minimum=0.05,
        maximum=10.0,
    )
    sync_tolerance_s: float = parameter(
        0.01, "How far the stamps of colour and depth may be apart [s]", minimum=0.0, maximum=0.1
    )
    joint_timeout_s: float = parameter(
        0.3, "Joint states older than this [s, node clock] count as missing", minimum=0.01, maximum=5.0
    )
    joint_gap_s: float = parameter(
        0.1, "Joint states further apart than this [s] are not interpolated", minimum=0.001, maximum=1.0
    )
    camera_timeout_s: float = parameter(
        0.7,
        "Depth images or CameraInfo that stop coming for this long [s, node clock] hold the arm",
        minimum=0.05,
        maximum=10.0,
    )
    finger_timeout_s: float = parameter(
        1.0,
        "Fingers that stop reporting their opening for this long [s, node clock] hold the arm when they are waited for",
        minimum=0.05,
        maximum=10.0,
    )
    clock_timeout_s: float = parameter(
        5.0,
        "Simulated time that stops for this long [s of wall time] holds the arm",
        minimum=0.1,
        maximum=3600.0,
    )
    ramp_s: float = parameter(
        _CORE.permit.ramp_s,
        "After it was enabled or recovered the arm comes to full speed within this time [s]",
        minimum=0.0,
        maximum=30.0,
    )
    robot_obeys: bool = parameter(
        True,
        "False where nobody carries out what is commanded, as in a dry run: standing still is no fault there",
    )
    calibration_check: bool = parameter(
        False,
        "Nothing moves before the hand was seen where the camera's calibration puts it: for real robots",
    )
    calls_topic: str = parameter(
        "", "Where a replay says what a recorded run decided on, to decide on the same; empty = decide freely"
    )
    diagnostics_rate_hz: float = parameter(
        1.0, "How often health is published [Hz of wall time]", minimum=0.1, maximum=50.0
    )

    def silence_limits_ns(self) -> dict[Silence, int]:
        """After which time without a message [ns] an input counts as silent."""
        camera_ns = nanoseconds_from(self.camera_timeout_s)
        return {
            Silence.CAMERA: camera_ns,
            Silence.CAMERA_INFO: camera_ns,
            Silence.FINGERS: nanoseconds_from(self.finger_timeout_s),
        }

    def load_robot(self) -> RobotModel:
        """The robot that ``robot`` and ``limits`` name.

        Raises:
            RobotModelError: Its description cannot be used.
            LimitsError: Its limits cannot be used.
        """
        return RobotModel.load(self.robot, self.limits or None)

    def for_robot(self, robot: RobotModel) -> FollowerParameters:
        """These, with ``robot``'s own base frame where none is given."""
        return replace(self, base_frame=self.base_frame or robot.base_frame)

    def follower_config(self, robot: RobotModel | None = None) -> FollowerConfig:
        """The motion core's settings under these parameters; a slow hand also approaches and turns slowly.

        Args:
            robot: Whose hand is opened all the way; None for one of the FR3's size.

        Raises:
            ParameterError: The workspace is none.
        """
        share = min(1.0, self.speed / _CORE.workspace.speed)
        gripper = _CORE.gripper if robot is None else replace(_CORE.gripper, open_width=robot.hand.max_width)
        return replace(
            _CORE,
            command_lead_s=self.command_lead_s,
            approach_speed=min(_CORE.approach_speed, self.speed),
            hand_motion=replace(_CORE.hand_motion, method=HandMotionMethod(self.hand_motion)),
            orientation=OrientationFreedom(self.orientation),
            workspace=self._workspace(share * _CORE.workspace.turning_speed),
            gripper=gripper,
            safety=replace(_CORE.safety, max_trace_age_s=self.max_trace_age_s, robot_obeys=self.robot_obeys),
            permit=replace(_CORE.permit, ramp_s=self.ramp_s),
        )

    def _workspace(self, turning_speed: float) -> Workspace:
        lower, upper = _corner(self.workspace_lower), _corner(self.workspace_upper)
        if self.table_height > lower[2]:
            raise ParameterError(
                f"table_height {self.table_height:g} m must not lie above the workspace's lower corner {lower} m"
            )
        try:
            return replace(
                _CORE.workspace,
                lower=lower,
                upper=upper,
                speed=self.speed,
                turning_speed=turning_speed,
                table_height=self.table_height,
            )
        except WorkspaceError as error:
            raise ParameterError(f"parameters workspace_lower and workspace_upper: {error}") from error


def _corner(numbers: tuple[float, ...]) -> tuple[float, float, float]:
    x, y, z = numbers
    if not all(isfinite(number) for number in numbers):
        raise ParameterError(f"a corner of the workspace needs three finite numbers [m], got {numbers}")
    return x, y, z
