"""Parameters of ``fr3_driver_node``."""

from __future__ import annotations

from dataclasses import dataclass

from fr3_driver.arm_settings import ArmSettings, Deadlines, Load, Tracking
from fr3_driver.real_time import RealTimePolicy
from tracegen_ros.parameters import parameter

_DEFAULT = ArmSettings("")


@dataclass(frozen=True)
class DriverParameters:
    """How robot, trajectories and gripper are driven."""

    fci_ip: str = parameter(
        "172.16.0.2", "Address of the control box's robot network; 127.0.0.1 for an emulator"
    )
    realtime: str = parameter(
        RealTimePolicy.AUTO.value,
        "Insist on a real-time kernel: auto does so unless the robot is an emulator on this machine",
        choices=list(RealTimePolicy),
    )
    limits: str = parameter(
        _DEFAULT.limits, "Joint limits that commands keep: a shipped set, or the path of a file"
    )
    tracking: str = parameter(
        _DEFAULT.tracking.value,
        "How trajectories are followed: stiffly by velocities, or by a spring that yields",
        choices=list(Tracking),
    )
    command_rate_hz: float = parameter(
        _DEFAULT.command_rate_hz, "Commands to the robot's library [Hz]", minimum=20.0, maximum=500.0
    )
    state_rate_hz: float = parameter(
        _DEFAULT.state_rate_hz, "Joint and robot states published [Hz]", minimum=1.0, maximum=500.0
    )
    velocity_factor: float = parameter(
        _DEFAULT.velocity_factor, "Share of the limits' velocities that is used", minimum=0.01, maximum=1.0
    )
    acceleration_factor: float = parameter(
        _DEFAULT.acceleration_factor, "Share of the limits' accelerations", minimum=0.01, maximum=1.0
    )
    jerk_factor: float = parameter(
        _DEFAULT.jerk_factor, "Share of the limits' jerks", minimum=0.01, maximum=1.0
    )
    position_gain: float = parameter(
        _DEFAULT.position_gain,
        "Velocity per position error of stiff tracking [1/s]",
        minimum=0.0,
        maximum=30.0,
    )
    position_margin_rad: float = parameter(
        _DEFAULT.position_margin_rad,
        "Commands stay this far inside the position limits [rad]",
        minimum=0.0,
        maximum=0.5,
    )
    max_tracking_error_rad: float = parameter(
        _DEFAULT.max_tracking_error_rad,
        "Further from its trajectory than this the arm is stopped [rad]",
        minimum=0.01,
        maximum=1.0,
    )
    stiffness: tuple[float, ...] = parameter(_DEFAULT.stiffness, "Of compliant tracking [Nm/rad], 7 joints")
    damping: tuple[float, ...] = parameter(_DEFAULT.damping, "Of compliant tracking [Nm s/rad], 7 joints")
    compliant_hold_s: float = parameter(
        _DEFAULT.compliant_hold_s,
        "The arm stays compliant this long after a trajectory [s]",
        minimum=0.0,
        maximum=60.0,
    )
    torque_thresholds: tuple[float, ...] = parameter(
        _DEFAULT.torque_thresholds, "External joint torques at which the robot stops itself [Nm], 7 joints"
    )
    force_thresholds: tuple[float, ...] = parameter(
        _DEFAULT.force_thresholds, "External force and torque at the hand, likewise [N, Nm], 6 axes"
    )
    joint_impedance: tuple[float, ...] = parameter(
        _DEFAULT.joint_impedance, "Stiffness of the robot's own controller [Nm/rad], 7 joints"
    )
    load_mass: float = parameter(
        _DEFAULT.load.mass, "What the flange carries beside the hand [kg]", minimum=0.0, maximum=3.0
    )
    load_centre: tuple[float, ...] = parameter(
        _DEFAULT.load.centre, "Its centre of mass in the flange's frame [m]"
    )
    load_inertia: tuple[float, ...] = parameter(
        _DEFAULT.load.inertia, "Its inertia at the centre of mass [kg m^2], 3 x 3"
    )
    command_timeout_s: float = parameter(
        _DEFAULT.command_timeout_s,
        "A motion whose last trajectory is older than this is stopped [s]; 0 = never, as trajectories end at rest",
        minimum=0.0,
        maximum=60.0,
    )
    node_timeout_s: float = parameter(
        _DEFAULT.deadlines.node,
        "A motion is stopped when this node has been stuck for so long [s]",
        minimum=0.1,
        maximum=5.0,
    )
    connect_timeout_s: float = parameter(
        _DEFAULT.deadlines.connect, "The robot must have answered within this [s]", minimum=1.0, maximum=60.0
    )
    recover_timeout_s: float = parameter(
        _DEFAULT.deadlines.recover, "An error recovery may take this long [s]", minimum=1.0, maximum=60.0
    )
    gripper: bool = parameter(True, "There is a Franka Hand")
    gripper_speed: float = parameter(
        0.1, "Speed at which the hand's opening changes [m/s]", minimum=0.01, maximum=0.1
    )
    trajectory_topic: str = parameter(
        "/joint_trajectory_controller/joint_trajectory", "Trajectories to follow"
    )
    gripper_action: str = parameter("/fr3_gripper/gripper_action", "Action server of the gripper")
    base_frame: str = parameter("fr3_link0", "Frame of the robot's base")
    diagnostics_rate_hz: float = parameter(
        1.0, "How often health is published [Hz]", minimum=0.1, maximum=50.0
    )

    def arm_settings(self, enforce_real_time: bool) -> ArmSettings:
        """The arm's settings under these parameters.

        Raises:
            SettingsError: They describe no way to drive the arm.
        """
        return ArmSettings(
            fci_ip=self.fci_ip,
            enforce_real_time=enforce_real_time,
            limits=self.limits,
            tracking=Tracking(self.tracking),
            command_rate_hz=self.command_rate_hz,
            state_rate_hz=self.state_rate_hz,
            velocity_factor=self.velocity_factor,
            acceleration_factor=self.acceleration_factor,
            jerk_factor=self.jerk_factor,
            position_gain=self.position_gain,
            position_margin_rad=self.position_margin_rad,
            max_tracking_error_rad=self.max_tracking_error_rad,
            stiffness=self.stiffness,
            damping=self.damping,
            compliant_hold_s=self.compliant_hold_s,
            torque_thresholds=self.torque_thresholds,
            force_thresholds=self.force_thresholds,
            joint_impedance=self.joint_impedance,
            load=Load(self.load_mass, self.load_centre, self.load_inertia),
            command_timeout_s=self.command_timeout_s,
            deadlines=Deadlines(
                connect=self.connect_timeout_s, recover=self.recover_timeout_s, node=self.node_timeout_s
            ),
        )
