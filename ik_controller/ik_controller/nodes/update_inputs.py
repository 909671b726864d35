"""What one update of the motion core is given, and the record of it.

A live update takes what there is now. A recorded one takes, of what there is now, what it was made with then.
"""

from __future__ import annotations

from dataclasses import replace

from ik_controller.follower import FollowerInput, Silence
from ik_controller.nodes.follower_parameters import FollowerParameters
from ik_controller.nodes.instant_inputs import InstantInputs, Observation
from ik_controller.nodes.joint_state_buffer import CLOCK_SET_BACK_NS
from tracegen_ros.messages import JointSample, nanoseconds_from, seconds_from
from tracegen_ros.messages.core_calls import CallKind, CoreCall

JOINTS_AHEAD_NS = nanoseconds_from(0.5)
"""Joints stamped this far in the future [ns] are none of now: clocks disagree, or one was set back."""

CLOCK_LATE_NS = nanoseconds_from(0.25)
"""Simulated time comes as messages; an image may be here this much before the message of its time [ns]."""

EPOCH_NS = nanoseconds_from(1e6)
"""The core's time starts at a multiple of this [ns]: seconds since 1970 would cost a float seven digits."""


class UpdateInputs:
    """Puts together the input of each update, in the core's own time.

    Args:
        inputs: What has arrived.
        parameters: Lockstep or not, and how old joints may be.

    Attributes:
        updated_ns: Time of the last update [ns].
        epoch_ns: Where the core's time starts [ns]; 0 before the first update.
    """

    def __init__(self, inputs: InstantInputs, parameters: FollowerParameters) -> None:
        self._inputs = inputs
        self._lockstep = parameters.lockstep
        self._joint_timeout_ns = nanoseconds_from(parameters.joint_timeout_s)
        self._began = False
        self._lacks_depth = False
        self.epoch_ns = 0
        self.updated_ns = 0

    def of_now(
        self,
        observation: Observation | None,
        clock_ns: int,
        gripper_busy: bool,
        number: int,
        silent: tuple[Silence, ...] = (),
    ) -> tuple[FollowerInput, CoreCall]:
        """Input and record of call ``number``, at ``clock_ns`` on the node's clock [ns].

        Args:
            observation: The traces to follow; None = an update without traces.
            clock_ns: The node's time [ns].
            gripper_busy: A gripper goal is being carried out.
            number: Counts the calls.
            silent: Inputs that should be coming and have gone silent.
        """
        now_ns = self._now_ns(observation, clock_ns)
        joints, fingers = self._robot_state(observation)
        if joints is not None and joints.stamp_ns - now_ns > JOINTS_AHEAD_NS and not self._lockstep:
            joints = None
        wanted = CoreCall(
            number,
            CallKind.UPDATE,
            now_ns=now_ns,
            has_depth=True,
            has_camera=True,
            knows_joints=True,
            # Fingers that report their opening are watched by the core, in the time of the stamps.
            gripper_busy=fingers is None and gripper_busy and not self._lockstep,
            silent=tuple(str(one) for one in silent),
        )
        given, call = self._gather(wanted, observation, joints, fingers)
        if observation is not None:
            self._lacks_depth = given.depth_m is None
        if self._lacks_depth and Silence.CAMERA not in given.silent:
            # Depth images that never came, or none of the traces' stamps, are missed as those that stopped coming.
            given = replace(given, silent=(*given.silent, Silence.CAMERA))
            call = replace(call, silent=(*call.silent, str(Silence.CAMERA)))
        return given, call

    def of_call(self, call: CoreCall, observation: Observation | None) -> tuple[FollowerInput, CoreCall]:
        """Input and record of a recorded call made again; ``observation`` holds the traces that it names."""
        joints = None if call.joints_ns is None else self._inputs.joints.first_from(call.joints_ns)
        fingers = None if call.fingers_ns is None else self._inputs.fingers.last_until(call.fingers_ns)
        return self._gather(call, observation, joints, fingers)

    def _gather(
        self,
        wanted: CoreCall,
        observation: Observation | None,
        joints: JointSample | None,
        fingers: JointSample | None,
    ) -> tuple[FollowerInput, CoreCall]:
        """Of what ``wanted`` allows, what there is."""
        now_ns = wanted.now_ns
        if not self._began:
            self._began = True
            self.epoch_ns = now_ns // EPOCH_NS * EPOCH_NS
        if joints is not None and now_ns - joints.stamp_ns > self._joint_timeout_ns:
            joints = None
        inputs, stamp_ns = self._inputs, None if observation is None else observation.stamp_ns
        given = FollowerInput(
            now_s=seconds_from(now_ns - self.epoch_ns),
            trace_stamp_s=None if stamp_ns is None else seconds_from(stamp_ns - self.epoch_ns),
            traces=None if observation is None else observation.traces,
            camera_in_base=inputs.camera_pose(observation.frame_id, observation.stamp_ns)
            if observation is not None and wanted.has_camera
            else None,
            intrinsics=inputs.intrinsics,
            depth_m=inputs.depth_at(stamp_ns) if stamp_ns is not None and wanted.has_depth else None,
            joints_at_trace=inputs.joints.positions_at(stamp_ns)
            if stamp_ns is not None and wanted.knows_joints
            else None,
            joint_state_now=None if joints is None else (joints.positions, joints.velocities),
            finger_width_m=inputs.opening_m(fingers),
            gripper_busy=wanted.gripper_busy,
            silent=Silence.named(wanted.silent),
        )
        self.updated_ns = now_ns
        return given, replace(
            wanted,
            traces_ns=stamp_ns,
            joints_ns=None if joints is None else joints.stamp_ns,
            fingers_ns=None if fingers is None else fingers.stamp_ns,
            has_depth=given.depth_m is not None,
            has_camera=given.camera_in_base is not None and given.intrinsics is not None,
            knows_joints=given.joints_at_trace is not None,
        )

    def _now_ns(self, observation: Observation | None, clock_ns: int) -> int:
        """The node's time, but neither before the stamp of ``observation`` nor before the last update.

        Simulated time comes as messages, and those may come a little after the image that they belong to; a stamp
        farther ahead does not push the time. In lockstep the observation's stamp is the time: what is decided then
        depends on stamps alone. A clock at zero has not begun, and says nothing.
        """
        if observation is None:
            now_ns = clock_ns
        elif self._lockstep or clock_ns == 0:
            now_ns = observation.stamp_ns
        else:
            now_ns = max(clock_ns, min(observation.stamp_ns, clock_ns + CLOCK_LATE_NS))
        return self.updated_ns if 0 < self.updated_ns - now_ns < CLOCK_SET_BACK_NS else now_ns

    def _robot_state(self, observation: Observation | None) -> tuple[JointSample | None, JointSample | None]:
        """Joints and fingers: the newest; in lockstep those of the observation's instant."""
        joints, fingers = self._inputs.joints, self._inputs.fingers
        if observation is None or not self._lockstep:
            return joints.newest, fingers.newest
        of_instant = joints.first_from(observation.stamp_ns) or joints.newest
        return of_instant, None if of_instant is None else fingers.last_until(of_instant.stamp_ns)
