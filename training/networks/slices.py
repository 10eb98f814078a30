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
        logits: HeadLogits = self.network(x.transpose(1, 2).flatten(0, 1).unsqueeze(2))  # of (N I, C, 1, J, K)
        heads = (logits.main, logits.half, logits.quarter)
        shapes = ((len(x), -1, part.shape[1], *part.shape[3:]) for part in heads)  # (N, I, 1, J, K)
        return HeadLogits(*(part.reshape(shape).transpose(1, 2) for part, shape in zip(heads, shapes, strict=True)))
