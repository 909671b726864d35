"""Weights spread over the processes of a run, each block's put together only while it is computed (FSDP)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeGuard

import torch
from torch import Tensor, nn

from tracegen_model.training.objectives.objective import Objective
from tracegen_model.training.ranks import Ranks

if TYPE_CHECKING:
    # Takes seconds to import, which only those who shard should wait for.
    from torch.distributed.tensor import DTensor


def shard(objective: Objective, ranks: Ranks) -> None:
    """Spread the trained weights of ``objective`` over the processes; what is frozen stays whole in each.

    Each block of the trace transformer is gathered for itself, everything else together.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(ranks.device.type, (ranks.count,))
    for block in objective.network.get_submodule("transformer.blocks").children():
        fully_shard(block, mesh=mesh)
    frozen: set[nn.Parameter] = {weight for weight in objective.parameters() if not weight.requires_grad}
    fully_shard(objective, mesh=mesh, ignored_params=frozen)


def whole(tensor: Tensor) -> Tensor:
    """The tensor itself, gathered if it is spread; then every process has to call this."""
    return tensor.full_tensor() if _is_spread(tensor) else tensor


def spread_as(tensor: Tensor, like: Tensor) -> Tensor:
    """``tensor`` on the device of ``like``, and spread as that is."""
    tensor = tensor.to(like.device)
    if not _is_spread(like):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor, like.device_mesh, like.placements)


def _is_spread(tensor: Tensor) -> TypeGuard[DTensor]:
    return hasattr(tensor, "full_tensor")


@contextmanager
def gathered(objective: Objective) -> Iterator[None]:
    """Inside, what lies outside of the blocks is whole, so that the network can be used without its objective."""
    objective.unshard()  # type: ignore[operator]
    try:
        yield
    finally:
        objective.reshard()  # type: ignore[operator]


def share_gradients(objective: nn.Module, share: bool) -> None:
    """Whether the next backward pass shares gradients, or lets them add up in each process."""
    objective.set_requires_gradient_sync(share)  # type: ignore[operator]


def gradient_norm(norm: Tensor) -> float:
    """The norm that ``clip_grad_norm_`` gave."""
    return float(torch.as_tensor(whole(norm)))
