"""The auto-context cascade: level k sees the volume plus level k-1's probability (paper eq. 5)."""

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from app.imaging.arrays import Float32
from app.imaging.levels import RunNetwork
from app.imaging.pose import PLACE_CHANNELS
from training.networks.usegnet import HeadLogits

Probability = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]
"""(volume, context or None) -> probability, all (1, 1, I, J, K)."""


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

    def served(self, volume: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Return what is served: the probability (N, 1, I, J, K), and behind it places in the head where it tells them.

        Those have a value for each cube of 2 x 2 x 2 voxels: (N, 4, I, J, K).
        """
        logits = self(volume, context)
        probability = torch.sigmoid(logits.main.float())  # (N, 1, I, J, K)
        if logits.anatomy is None:
            return probability
        places = functional.interpolate(logits.anatomy[:, -PLACE_CHANNELS:].float(), scale_factor=2.0)
        return torch.cat((probability, places), dim=1)  # (N, 4, I, J, K)


class AutoContextCascade(nn.Module):
    """All levels in sequence: volume (N, 1, I, J, K) -> the last level's probability (N, 1, I, J, K)."""

    def __init__(self, levels: Sequence[ContextLevel]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(levels)

    def __iter__(self) -> Iterator[ContextLevel]:
        """Return the levels in order."""
        return iter(cast(Sequence[ContextLevel], self.levels))

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        """Refine level by level; level 0 is the constant 0."""
        context: torch.Tensor | None = None
        for level in self:
            context = level.probability(volume, context)  # (N, 1, I, J, K)
        if context is None:
            raise ValueError("a cascade needs at least one level, got none")
        return context


def on_arrays(probability: Probability, device: torch.device) -> RunNetwork:
    """Return a level's probability as a function of arrays in the process's memory, computed on the device."""

    @torch.inference_mode()
    def run(image: Float32, context: Float32 | None) -> Float32:
        given = None if context is None else torch.from_numpy(context).to(device)
        found: Float32 = probability(torch.from_numpy(image).to(device), given).float().cpu().numpy()
        return found

    return run
