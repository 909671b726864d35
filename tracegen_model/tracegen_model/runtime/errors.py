"""What can be wrong with the inputs of a prediction."""


class ObservationError(ValueError):
    """Colour, depth or intrinsics cannot be predicted from."""


class InstructionError(ValueError):
    """The instruction is empty or too long."""
