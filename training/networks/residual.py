"""ResidualNet: a residual encoder-decoder that works at half the grid's resolution, for the release model.

A head is large and smooth: features at half the resolution, a strided stem in front and a transposed convolution behind
place its surface as well as features on the full grid would, at an eighteenth of USegNet's operations. What is saved
buys many more training steps.
"""

import torch
from torch import nn

from training.config.network import NetworkConfig
from training.networks.blocks import ConvUnit, initialise, make_norm
from training.networks.usegnet import HeadLogits

CUBE = (3, 3, 3)


class ResidualUnit(nn.Module):
    """x + two normalised convolutions, then ReLU; (N, C, I, J, K) -> (N, C, I, J, K)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvUnit(channels, channels, CUBE)
        self.second = nn.Conv3d(channels, channels, 3, padding=1, bias=False)
        self.norm = make_norm(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the unit."""
        return torch.relu(x + self.norm(self.second(self.first(x))))  # (N, C, I, J, K)


class Merge(nn.Module):
    """Deep features, up-sampled, plus those of the skip; (N, C_deep, I, J, K), (N, C, 2I, ..) -> (N, C, 2I, 2J, 2K)."""

    def __init__(self, c_deep: int, channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose3d(c_deep, channels, 2, stride=2)
        self.refine = ResidualUnit(channels)

    def forward(self, deep: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Add both and refine the sum."""
        refined: torch.Tensor = self.refine(self.up(deep) + skip)  # (N, C, 2I, 2J, 2K)
        return refined


class ResidualNet(nn.Module):
    """Fully convolutional; I, J, K must be multiples of 16. Deep supervision at 1/2 and 1/4 of the grid.

    With an anatomy head it also tells, at half the resolution, kinds of tissue and places in the head.
    """

    def __init__(self, config: NetworkConfig, anatomy_channels: int = 0) -> None:
        super().__init__()
        c1, c2, c3, c4 = config.residual_channels
        self.stem = ConvUnit(1, c1, (4, 4, 4), stride=2)
        self.encoder1 = ResidualUnit(c1)
        self.encoder2 = nn.Sequential(ConvUnit(c1, c2, CUBE, stride=2), ResidualUnit(c2))
        self.encoder3 = nn.Sequential(ConvUnit(c2, c3, CUBE, stride=2), ResidualUnit(c3), ResidualUnit(c3))
        self.encoder4 = nn.Sequential(ConvUnit(c3, c4, CUBE, stride=2), ResidualUnit(c4), ResidualUnit(c4))
        self.merge3 = Merge(c4, c3)
        self.merge2 = Merge(c3, c2)
        self.merge1 = Merge(c2, c1)
        self.head_quarter = nn.Conv3d(c2, 1, 1)
        self.head_half = nn.Conv3d(c1, 1, 1)
        self.head_main = nn.ConvTranspose3d(c1, 1, 4, stride=2, padding=1)
        self.head_anatomy = nn.Conv3d(c1, anatomy_channels, 1) if anatomy_channels else None
        initialise(self)

    def forward(self, x: torch.Tensor) -> HeadLogits:
        """Map the volume (N, 1, I, J, K) to the logits of the three heads."""
        e1 = self.encoder1(self.stem(x))  # (N, 24, I/2, J/2, K/2)
        e2 = self.encoder2(e1)  # (N, 48, I/4, J/4, K/4)
        e3 = self.encoder3(e2)  # (N, 96, I/8, J/8, K/8)
        e4 = self.encoder4(e3)  # (N, 128, I/16, J/16, K/16)
        d3 = self.merge3(e4, e3)  # (N, 96, I/8, J/8, K/8)
        d2 = self.merge2(d3, e2)  # (N, 48, I/4, J/4, K/4)
        d1 = self.merge1(d2, e1)  # (N, 24, I/2, J/2, K/2)
        return HeadLogits(
            main=self.head_main(d1),  # (N, 1, I, J, K)
            half=self.head_half(d1),  # (N, 1, I/2, J/2, K/2)
            quarter=self.head_quarter(d2),  # (N, 1, I/4, J/4, K/4)
            anatomy=None if self.head_anatomy is None else self.head_anatomy(d1),  # (N, classes + 3, I/2, J/2, K/2)
        )
