"""The auto-context cascade: level k sees the volume plus level k-1's probability (paper eq. 5)."""

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import nn

from training.networks.usegnet import HeadLogits


class ContextLevel(nn.Module):
    """One level G_k of the cascade: (volume, context or None) -> logits of the three heads."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, volume: torch.Tensor, context: torch.Tensor | None = None) -> HeadLogits:
        """Map volume and context, both (N, 1, I, J, K), to logits; no context means the constant 0 of level 0."""
        logits: HeadLogits = self.network(volume if context is None else volume + context)  # J(X, Y) = X + Y
        return logits

    def probability(self, volume: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Return the main head's probability (N, 1, I, J, K)."""
        return torch.sigmoid(self(volume, context).main.float())  # (N, 1, I, J, K)


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
