"""Building blocks of USegNet: normalised convolutions, transposed convolutions and their initialisation."""

import math

import torch
from torch import nn

Kernel = tuple[int, int, int]


class ConvUnit(nn.Module):
    """Conv + normalisation + ReLU; (N, C_in, I, J, K) -> (N, C_out, I, J, K), or half of each extent at stride 2."""

    def __init__(self, c_in: int, c_out: int, kernel: Kernel, stride: int = 1) -> None:
        super().__init__()
        i, j, k = kernel
        padding = ((i - 1) // 2, (j - 1) // 2, (k - 1) // 2)
        self.conv = nn.Conv3d(c_in, c_out, kernel, stride, padding, bias=False)
        self.norm = make_norm(c_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the unit."""
        return torch.relu(self.norm(self.conv(x)))  # (N, C_out, I, J, K)


class ConvBlock(nn.Sequential):
    """Two successive convolution units, the paper's block between two pooling layers."""

    def __init__(self, c_in: int, c_out: int, kernel: Kernel) -> None:
        super().__init__(ConvUnit(c_in, c_out, kernel), ConvUnit(c_out, c_out, kernel))


class UpUnit(nn.Module):
    """Transposed convolution of stride 2 + normalisation + ReLU; (N, C_in, I, J, K) -> (N, C_out, 2I, 2J, 2K).

    Kernel 2 tiles the output without overlap; odd kernels overlap, their padding keeps the exact doubling. An axis of
    kernel 1 keeps its length.
    """

    def __init__(self, c_in: int, c_out: int, kernel: Kernel) -> None:
        super().__init__()
        stride = tuple(min(k, 2) for k in kernel)
        odd = tuple(k % 2 if k > 1 else 0 for k in kernel)
        padding = tuple((k - 2 + o) // 2 if k > 1 else 0 for k, o in zip(kernel, odd, strict=True))
        self.conv = nn.ConvTranspose3d(c_in, c_out, kernel, stride, padding, odd, bias=False)  # type: ignore[arg-type]
        self.norm = make_norm(c_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the unit."""
        return torch.relu(self.norm(self.conv(x)))  # (N, C_out, 2I, 2J, 2K)


def make_norm(channels: int) -> nn.Module:
    """Return the normalisation layer, with learned scale and shift.

    The paper names batch normalisation; trained and run with one volume per batch, it computes this.
    """
    return nn.InstanceNorm3d(channels, affine=True)


def initialise(module: nn.Module) -> None:
    """Draw every convolution from a truncated normal distribution whose variance is 2 / fan-in, biases 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv3d | nn.ConvTranspose3d):
            strides = layer.stride if isinstance(layer, nn.ConvTranspose3d) else (1,)
            fan_in = layer.in_channels * math.prod(layer.kernel_size) / math.prod(strides)  # products per output value
            std = math.sqrt(2.0 / fan_in)
            nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
