"""numpy <-> ROS messages; the only place in the project that packs and unpacks them.

``decode_*`` takes a message and raises a typed ``MessageError`` when it does not hold what it should;
``encode_*`` builds one. Units change here and nowhere else: metres and seconds inside.
"""

from tracegen_ros.messages.camera_info import decode_intrinsics, encode_intrinsics
from tracegen_ros.messages.coloured_cloud import encode_coloured_cloud
from tracegen_ros.messages.compressed_images import (
    COMPRESSED_SUFFIX,
    decode_compressed_colour,
    decode_compressed_depth,
    encode_compressed_colour,
    encode_compressed_depth,
)
from tracegen_ros.messages.diagnostics import Level, decode_diagnostics, encode_diagnostics
from tracegen_ros.messages.errors import (
    CameraInfoError,
    CompressionError,
    EncodingError,
    ImageSizeError,
    JointMessageError,
    MessageError,
    MissingJointError,
    TraceCloudError,
    TransformError,
)
from tracegen_ros.messages.images import (
    check_same_size,
    decode_colour,
    decode_depth,
    encode_colour,
    encode_depth,
)
from tracegen_ros.messages.joints import (
    JointSample,
    TrajectorySamples,
    decode_joint_state,
    decode_joint_trajectory,
    encode_joint_state,
    encode_joint_trajectory,
)
from tracegen_ros.messages.markers import (
    Shape,
    ShapeKind,
    encode_marker_removal,
    encode_markers,
    encode_trace_markers,
)
from tracegen_ros.messages.stamps import (
    decode_stamp,
    encode_duration,
    encode_header,
    encode_stamp,
    nanoseconds_from,
    seconds_from,
)
from tracegen_ros.messages.trace_cloud import decode_trace_grid, encode_trace_grid
from tracegen_ros.messages.transforms import (
    decode_transform,
    encode_path,
    encode_pose,
    encode_transform,
    encode_wrench,
    quaternion_from_rotation,
    rotation_from_quaternion,
)

__all__ = [
    "COMPRESSED_SUFFIX",
    "CameraInfoError",
    "CompressionError",
    "EncodingError",
    "ImageSizeError",
    "JointMessageError",
    "JointSample",
    "Level",
    "MessageError",
    "MissingJointError",
    "Shape",
    "ShapeKind",
    "TraceCloudError",
    "TrajectorySamples",
    "TransformError",
    "check_same_size",
    "decode_colour",
    "decode_compressed_colour",
    "decode_compressed_depth",
    "decode_depth",
    "decode_diagnostics",
    "decode_intrinsics",
    "decode_joint_state",
    "decode_joint_trajectory",
    "decode_stamp",
    "decode_trace_grid",
    "decode_transform",
    "encode_colour",
    "encode_coloured_cloud",
    "encode_compressed_colour",
    "encode_compressed_depth",
    "encode_depth",
    "encode_diagnostics",
    "encode_duration",
    "encode_header",
    "encode_intrinsics",
    "encode_joint_state",
    "encode_joint_trajectory",
    "encode_marker_removal",
    "encode_markers",
    "encode_path",
    "encode_pose",
    "encode_stamp",
    "encode_trace_grid",
    "encode_trace_markers",
    "encode_transform",
    "encode_wrench",
    "nanoseconds_from",
    "quaternion_from_rotation",
    "rotation_from_quaternion",
    "seconds_from",
]
