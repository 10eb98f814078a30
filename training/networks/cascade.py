"""The auto-context cascade: level k sees the volume joined with level k-1's probability (paper eq. 5)."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from training.networks.usegnet import HeadLogits

JoinName = Literal["sum", "concat"]


def join(volume: torch.Tensor, context: torch.Tensor | None, how: JoinName) -> torch.Tensor:
    """J(X, Y): element-wise sum (paper) or concatenation; no context means the constant 0 of level 0."""
    if how == "sum":
        return volume if context is None else volume + context  # (N, 1, I, J, K)
    return torch.cat((volume, torch.zeros_like(volume) if context is None else context), dim=1)  # (N, 2, I, J, K)


def input_channels(how: JoinName) -> int:
    """Channels of the joined input."""
    return 1 if how == "sum" else 2


class ContextLevel(nn.Module):
    """One level G_k of the cascade: (volume, context or None) -> logits of the three heads."""

    def __init__(self, network: nn.Module, how: JoinName) -> None:
        super().__init__()
        self.network = network
        self.how: JoinName = how

    def forward(self, volume: torch.Tensor, context: torch.Tensor | None = None) -> HeadLogits:
        """Map volume and context, both (N, 1, I, J, K), to logits."""
        logits: HeadLogits = self.network(join(volume, context, self.how))
        return logits

    def probability(self, volume: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """The main head's probability in single precision, (N, 1, I, J, K)."""
        return torch.sigmoid(self(volume, context).main.float())


class AutoContextCascade(nn.Module):
    """All levels in sequence: volume (N, 1, I, J, K) -> the last level's probability (N, 1, I, J, K)."""

    def __init__(self, levels: Sequence[ContextLevel]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(levels)

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        """Refine level by level; level 0 is the constant 0."""
        context: torch.Tensor | None = None
        for level in self.levels:
            context = level.probability(volume, context)  # type: ignore[operator] # (N, 1, I, J, K)
        if context is None:
            raise ValueError("a cascade needs at least one level, got none")
        return context
