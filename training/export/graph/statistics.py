"""Instance normalisation that keeps single precision over large volumes.

Runtimes sum the 200,000 voxels of a channel one after another in float32; the error of such a mean is amplified by the
attention's softmax until probabilities are off by 1e-3. Averaging axis by axis keeps every sum short.
"""

from __future__ import annotations

import copy

import torch
from torch import nn

from training.networks.cascade import ContextLevel


class AxisWiseInstanceNorm(nn.Module):
    """The same function as the `InstanceNorm3d` it is made from, (N, C, I, J, K) -> (N, C, I, J, K)."""

    def __init__(self, norm: nn.InstanceNorm3d) -> None:
        super().__init__()
        shape = (1, norm.num_features, 1, 1, 1)
        ones, zeros = torch.ones(shape), torch.zeros(shape)
        self.weight = nn.Parameter(norm.weight.detach().reshape(shape).clone() if norm.affine else ones)
        self.bias = nn.Parameter(norm.bias.detach().reshape(shape).clone() if norm.affine else zeros)
        self.eps = norm.eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise every channel of every sample over its voxels."""
        centred = x - _mean(x)  # (N, C, I, J, K)
        variance = _mean(centred * centred)  # (N, C, 1, 1, 1)
        return centred * torch.rsqrt(variance + self.eps) * self.weight + self.bias


def with_axis_wise_statistics(module: ContextLevel) -> ContextLevel:
    """A copy of a network in which every instance norm averages axis by axis."""
    changed = copy.deepcopy(module)
    _replace(changed)
    return changed


def _replace(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.InstanceNorm3d):
            setattr(module, name, AxisWiseInstanceNorm(child))
        else:
            _replace(child)


def _mean(x: torch.Tensor) -> torch.Tensor:
    return x.mean(4, keepdim=True).mean(3, keepdim=True).mean(2, keepdim=True)
