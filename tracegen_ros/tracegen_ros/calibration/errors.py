"""What can be wrong with what a calibration is given."""


class CalibrationDataError(ValueError):
    """Board, images or poses from which the camera's pose cannot be found; says what to do about it."""
