"""What can be wrong with a received message; each error says what was expected and what was found."""

from __future__ import annotations


class MessageError(ValueError):
    """A message does not carry what its type promises."""


class EncodingError(MessageError):
    """An image's encoding is not one that is understood here."""


class ImageSizeError(MessageError):
    """An image's size fields and its data, or two images that belong together, disagree."""


class CompressionError(MessageError):
    """The data of a compressed image cannot be decompressed."""


class CameraInfoError(MessageError):
    """A CameraInfo does not describe a rectified pinhole camera."""


class TraceCloudError(MessageError):
    """A PointCloud2 is not an organised trace grid."""


class JointMessageError(MessageError):
    """Arrays of a joint message disagree with each other or hold non-finite numbers."""


class MissingJointError(JointMessageError):
    """A joint that is needed is not named in the message."""


class TransformError(MessageError):
    """Not a rigid transform."""
