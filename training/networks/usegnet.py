"""USegNet: the 3D encoder-decoder with deep supervision and hybrid attention (paper sections 2.3 and 2.4)."""

from typing import NamedTuple

import torch
from torch import nn

from training.config.network import NetworkConfig
from training.networks.attention import AttentionModule
from training.networks.blocks import ConvBlock, Kernel, UpUnit, initialise

PAPER_NUMBER = {3: 1, 2: 2, 1: 3}
"""Which SAM of the paper sits on the skip connection of an encoder level (1 is full resolution)."""


class HeadLogits(NamedTuple):
    """Logits of the foreground: main (N, 1, I, J, K) and the two auxiliary branches at 1/2 and 1/4 of the grid.

    One logit and a sigmoid equal two classes and a softmax: the logit is the difference of the two. `anatomy`, where a
    network has that head, is (N, classes + 3, I/2, J/2, K/2), see `cases.anatomy`.
    """

    main: torch.Tensor
    half: torch.Tensor
    quarter: torch.Tensor
    anatomy: torch.Tensor | None = None


class USegNet(nn.Module):
    """Fully convolutional; I, J, K must be multiples of 8.

    Modules are numbered from the input on: `sam1` filters encoder level 1. A UAM that is left out leaves the
    concatenation alone, and the auxiliary head is attached to that. With a view of "slices" every kernel is flat, and
    I is a batch of slices: see `SliceNetwork`.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        c1, c2, c3, c4 = config.encoder_channels
        k1, k2, k3, k4 = (self._make_kernel(k) for k in config.encoder_kernels)
        self.encoder1 = ConvBlock(1, c1, k1)
        self.encoder2 = ConvBlock(c1, c2, k2)
        self.encoder3 = ConvBlock(c2, c3, k3)
        self.encoder4 = ConvBlock(c3, c4, k4)
        self.pool = nn.MaxPool3d(self._make_kernel(2))

        self.sam1, s1 = self._make_skip(1, c1)
        self.sam2, s2 = self._make_skip(2, c2)
        self.sam3, s3 = self._make_skip(3, c3)

        u1, u2, u3 = (self._make_kernel(k) for k in config.up_kernels)
        self.up1 = UpUnit(c4, c3, u1)
        self.uam1, m1 = self._make_merge(1, c3 + s3, k3)
        self.up2 = UpUnit(m1, c2, u2)
        self.uam2, m2 = self._make_merge(2, c2 + s2, k2)
        self.up3 = UpUnit(m2, c1, u3)
        self.uam3, m3 = self._make_merge(3, c1 + s1, k1)

        self.head_quarter = nn.Conv3d(m1, 1, 1)
        self.head_half = nn.Conv3d(m2, 1, 1)
        self.head_main = nn.Conv3d(m3, 1, 1)
        initialise(self)

    def _make_kernel(self, size: int) -> Kernel:
        """Return a cube, or a square in the plane of the slices."""
        return (1 if self.config.view == "slices" else size, size, size)

    def _make_skip(self, level: int, channels: int) -> tuple[nn.Module, int]:
        """Make what the skip connection of an encoder level carries; return it and its channels."""
        config = self.config
        if not config.skips:
            return nn.Identity(), 0
        if PAPER_NUMBER[level] not in config.sam:
            return nn.Identity(), channels
        return self._make_attention(channels), config.decoder_channels

    def _make_merge(self, number: int, channels: int, kernel: Kernel) -> tuple[nn.Module, int]:
        """Make what follows concatenation `number`; return it and its channels."""
        config = self.config
        if number in config.uam:
            return self._make_attention(channels), config.decoder_channels
        if config.merge == "block":
            return ConvBlock(channels, config.decoder_channels, kernel), config.decoder_channels
        return nn.Identity(), channels

    def _make_attention(self, channels: int) -> AttentionModule:
        """Make an attention module for features of so many channels."""
        config = self.config
        return AttentionModule(
            channels,
            config.attention_channels,
            config.decoder_channels,
            config.attention_kernel,
            config.attention_temperature,
        )

    def _join(self, up: torch.Tensor, sam: nn.Module, encoded: torch.Tensor) -> torch.Tensor:
        """Concatenate the upsample path with what the skip connection carries."""
        return torch.cat((up, sam(encoded)), dim=1) if self.config.skips else up

    def forward(self, x: torch.Tensor) -> HeadLogits:
        """Map the volume (N, 1, I, J, K) to the logits of the three heads."""
        e1 = self.encoder1(x)  # (N, 32, I, J, K)
        e2 = self.encoder2(self.pool(e1))  # (N, 64, I/2, J/2, K/2)
        e3 = self.encoder3(self.pool(e2))  # (N, 64, I/4, J/4, K/4)
        e4 = self.encoder4(self.pool(e3))  # (N, 64, I/8, J/8, K/8)

        m1 = self._join(self.up1(e4), self.sam3, e3)  # (N, 128, I/4, J/4, K/4)
        a1 = self.uam1(m1)  # (N, 64, I/4, J/4, K/4)
        m2 = self._join(self.up2(a1), self.sam2, e2)  # (N, 128, I/2, J/2, K/2)
        a2 = self.uam2(m2)  # (N, 64, I/2, J/2, K/2)
        m3 = self._join(self.up3(a2), self.sam1, e1)  # (N, 96, I, J, K)
        a3 = self.uam3(m3)  # (N, 64, I, J, K)

        return HeadLogits(
            main=self.head_main(a3),  # (N, 1, I, J, K)
            half=self.head_half(a2),  # (N, 1, I/2, J/2, K/2)
            quarter=self.head_quarter(a1),  # (N, 1, I/4, J/4, K/4)
        )
