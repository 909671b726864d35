"""How the traces of a query grid are cut into tokens: the sizes that every network's config shares. Needs no torch."""

from __future__ import annotations

from tracegen_model.network.config_error import NetworkConfigError


class TraceTokenSizes:
    """What follows from the grid, the horizon and how they are cut; configs that have these fields inherit it.

    Attributes:
        grid_side: Points along each side of the query grid.
        horizon: Steps of a trace.
        patch_side: Points along each side of a trace token's patch.
        frames_in_channels: Consecutive steps that share a trace token.
    """

    grid_side: int
    horizon: int
    patch_side: int
    frames_in_channels: int

    def require_whole_tokens(self) -> None:
        """Raise NetworkConfigError unless grid and horizon can be cut into tokens without a rest."""
        require_multiple("grid_side", self.grid_side, "patch_side", self.patch_side)
        require_multiple("horizon", self.horizon, "frames_in_channels", self.frames_in_channels)

    @property
    def points(self) -> int:
        """Points of the query grid."""
        return self.grid_side**2

    @property
    def patches(self) -> int:
        """Patches of the query grid."""
        return (self.grid_side // self.patch_side) ** 2

    @property
    def frame_groups(self) -> int:
        """Trace tokens of one patch, along time."""
        return self.horizon // self.frames_in_channels

    @property
    def trace_channels(self) -> int:
        """Numbers that a trace token carries."""
        return 3 * self.frames_in_channels * self.patch_side**2


def require_multiple(name: str, value: int, of: str, divisor: int) -> None:
    """Raise NetworkConfigError unless ``value`` is a multiple of ``divisor``; their names are for the message."""
    if value % divisor:
        raise NetworkConfigError(f"{name} {value} must be a multiple of {of} {divisor}")
