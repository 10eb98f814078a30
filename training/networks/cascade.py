"""The auto-context cascade: level k sees the volume joined with level k-1's probability (paper eq. 5)."""

from collections.abc import Iterator, Sequence
from itertools import chain, combinations
from typing import Literal, cast

import torch
from torch import nn

from training.networks.usegnet import HeadLogits

JoinName = Literal["sum", "concat"]


MIRRORS = tuple(chain.from_iterable(combinations((2, 3, 4), count) for count in range(4)))
"""The eight combinations of mirrored axes I, J, K of a tensor (N, C, I, J, K)."""


def join(volume: torch.Tensor, context: torch.Tensor | None, how: JoinName) -> torch.Tensor:
    """J(X, Y): element-wise sum (paper) or concatenation; no context means the constant 0 of level 0."""
    if how == "sum":
        return volume if context is None else volume + context  # (N, 1, I, J, K)
    return torch.cat((volume, torch.zeros_like(volume) if context is None else context), dim=1)  # (N, 2, I, J, K)


def input_channels(how: JoinName, field_of_view: bool = False) -> int:
    """Channels of the joined input."""
    return (1 if how == "sum" else 2) + field_of_view


def scanned(volume: torch.Tensor) -> torch.Tensor:
    """1 where a volume (N, 1, I, J, K) was scanned, 0 outside: there every voxel has its smallest value."""
    darkest = volume.amin(dim=(2, 3, 4), keepdim=True)  # (N, 1, 1, 1, 1)
    return (volume > darkest).to(volume.dtype)  # (N, 1, I, J, K)


class ContextLevel(nn.Module):
    """One level G_k of the cascade: (volume, context or None) -> logits of the three heads.

    With `mirrored`, its probability is the mean over the eight mirror images of its input: a head is no less a head
    when it is mirrored, and errors that are not symmetric average out.
    """

    def __init__(self, network: nn.Module, how: JoinName, mirrored: bool = False, field_of_view: bool = False) -> None:
        super().__init__()
        self.network = network
        self.how: JoinName = how
        self.mirrored = mirrored
        self.field_of_view = field_of_view

    def forward(self, volume: torch.Tensor, context: torch.Tensor | None = None) -> HeadLogits:
        """Map volume and context, both (N, 1, I, J, K), to logits."""
        logits: HeadLogits = self.network(self.joined(volume, context))
        return logits

    def joined(self, volume: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        """What the network sees (N, C, I, J, K): volume and context, and with `field_of_view` where the scan is."""
        both = join(volume, context, self.how)
        return torch.cat((both, scanned(volume)), dim=1) if self.field_of_view else both

    def probability(self, volume: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Return the main head's probability (1, 1, I, J, K) as it is served, of one volume."""
        if not self.mirrored:
            return torch.sigmoid(self(volume, context).main.float())  # (1, 1, I, J, K)
        joined = self.joined(volume, context)
        images = torch.cat([torch.flip(joined, axes) for axes in MIRRORS])  # (8, C, I, J, K)
        found = torch.sigmoid(self.network(images).main.float())  # (8, 1, I, J, K)
        back = [torch.flip(found[n : n + 1], axes) for n, axes in enumerate(MIRRORS)]
        return torch.stack(back).mean(dim=0)  # (1, 1, I, J, K)


class AutoContextCascade(nn.Module):
    """All levels in sequence: volume (N, 1, I, J, K) -> the last level's probability (N, 1, I, J, K)."""

    def __init__(self, levels: Sequence[ContextLevel]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(levels)

    def __iter__(self) -> Iterator[ContextLevel]:
        """The levels in order."""
        return iter(cast(Sequence[ContextLevel], self.levels))

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        """Refine level by level; level 0 is the constant 0."""
        context: torch.Tensor | None = None
        for level in self:
            context = level.probability(volume, context)  # (N, 1, I, J, K)
        if context is None:
            raise ValueError("a cascade needs at least one level, got none")
        return context
