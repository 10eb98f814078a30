"""USegNet: the 3D encoder-decoder with deep supervision and hybrid attention (paper sections 2.3 and 2.4)."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from training.config import NetworkConfig
from training.networks.attention import AttentionModule
from training.networks.blocks import ConvBlock, UpUnit, initialise


class HeadLogits(NamedTuple):
    """Logits of the foreground: main (N, 1, I, J, K) and the two auxiliary branches at 1/2 and 1/4 of the grid.

    One logit and a sigmoid equal two classes and a softmax: the logit is the difference of the two.
    """

    main: torch.Tensor
    half: torch.Tensor
    quarter: torch.Tensor


class USegNet(nn.Module):
    """Fully convolutional; I, J, K must be multiples of 8."""

    def __init__(self, config: NetworkConfig, c_in: int = 1) -> None:
        super().__init__()
        self.config = config
        c1, c2, c3, c4 = config.encoder_channels
        k1, k2, k3, k4 = config.encoder_kernels
        norm = config.norm
        self.encoder1 = ConvBlock(c_in, c1, k1, norm)
        self.encoder2 = ConvBlock(c1, c2, k2, norm)
        self.encoder3 = ConvBlock(c2, c3, k3, norm)
        self.encoder4 = ConvBlock(c3, c4, k4, norm)
        self.pool = nn.MaxPool3d(2)

        u1, u2, u3 = config.up_kernels
        d = config.decoder_channels
        self.up1 = UpUnit(c4, c3, u1, norm)
        self.up2 = UpUnit(d, c2, u2, norm)
        self.up3 = UpUnit(d, c1, u3, norm)

        s1, s2, s3 = (self._skip(number, channels) for number, channels in ((1, c1), (2, c2), (3, c3)))
        self.sam1, self.sam2, self.sam3 = s1[0], s2[0], s3[0]
        self.uam1 = self._merge(1, c3 + s3[1], k3)
        self.uam2 = self._merge(2, c2 + s2[1], k2)
        self.uam3 = self._merge(3, c1 + s1[1], k1)

        self.head_quarter = nn.Conv3d(d, 1, 1)
        self.head_half = nn.Conv3d(d, 1, 1)
        self.head_main = nn.Conv3d(d, 1, 1)
        initialise(self)

    def _skip(self, number: int, channels: int) -> tuple[nn.Module, int]:
        """SAM `number` and the channels it gives; the identity where the configuration leaves it out."""
        config = self.config
        if number not in config.sam:
            return nn.Identity(), channels
        out = config.decoder_channels
        return self._attention(channels), out

    def _merge(self, number: int, channels: int, kernel: int) -> nn.Module:
        """UAM `number`; a plain convolution block where the configuration leaves it out."""
        config = self.config
        if number not in config.uam:
            return ConvBlock(channels, config.decoder_channels, kernel, config.norm)
        return self._attention(channels)

    def _attention(self, channels: int) -> AttentionModule:
        """An attention module for features of so many channels."""
        config = self.config
        return AttentionModule(
            channels,
            config.attention_channels,
            config.decoder_channels,
            config.attention_kernel,
            config.attention_temperature,
        )

    def _run(self, part: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """Run a part; with gradient checkpointing its inner activations are recomputed in the backward pass."""
        if self.config.gradient_checkpointing and self.training:
            recomputed: torch.Tensor = checkpoint(part, x, use_reentrant=False)
            return recomputed
        return part(x)

    def forward(self, x: torch.Tensor) -> HeadLogits:
        """Map the volume (N, C, I, J, K) to the logits of the three heads."""
        e1 = self._run(self.encoder1, x)  # (N, 32, I, J, K)
        e2 = self._run(self.encoder2, self.pool(e1))  # (N, 64, I/2, J/2, K/2)
        e3 = self._run(self.encoder3, self.pool(e2))  # (N, 64, I/4, J/4, K/4)
        e4 = self._run(self.encoder4, self.pool(e3))  # (N, 64, I/8, J/8, K/8)

        m1 = torch.cat((self.up1(e4), self._run(self.sam3, e3)), dim=1)  # (N, 128, I/4, J/4, K/4)
        a1 = self._run(self.uam1, m1)  # (N, 64, I/4, J/4, K/4)
        m2 = torch.cat((self.up2(a1), self._run(self.sam2, e2)), dim=1)  # (N, 128, I/2, J/2, K/2)
        a2 = self._run(self.uam2, m2)  # (N, 64, I/2, J/2, K/2)
        m3 = torch.cat((self.up3(a2), self._run(self.sam1, e1)), dim=1)  # (N, 96, I, J, K)
        a3 = self._run(self.uam3, m3)  # (N, 64, I, J, K)

        return HeadLogits(
            main=self.head_main(a3),  # (N, 1, I, J, K)
            half=self.head_half(a2),  # (N, 1, I/2, J/2, K/2)
            quarter=self.head_quarter(a1),  # (N, 1, I/4, J/4, K/4)
        )
