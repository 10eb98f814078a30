"""2D networks on volumes: every slice across the first axis is an image of its own."""

import torch
from torch import nn

from training.networks.usegnet import HeadLogits


class SliceNetwork(nn.Module):
    """Runs a network with flat kernels on each slice, (N, C, I, J, K) -> logits; I need not be a multiple of 8."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> HeadLogits:
        """Map volumes to logits, slice by slice."""
        volumes = x.shape[0]
        logits: HeadLogits = self.network(as_slices(x))
        return HeadLogits(*(as_volumes(part, volumes) for part in logits))


def as_slices(x: torch.Tensor) -> torch.Tensor:
    """Map (N, C, I, J, K) to (N I, C, 1, J, K)."""
    return x.transpose(1, 2).flatten(0, 1).unsqueeze(2)


def as_volumes(x: torch.Tensor, volumes: int) -> torch.Tensor:
    """Map (N I, C, 1, J, K) to (N, C, I, J, K)."""
    _, channels, _, j, k = x.shape
    return x.reshape(volumes, -1, channels, j, k).transpose(1, 2)
