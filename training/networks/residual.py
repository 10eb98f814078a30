"""ResidualNet: a residual encoder-decoder that works at half the grid's resolution, for the release model.

A head is large and smooth: features at half the resolution, a strided stem in front and a transposed convolution behind
place its surface as well as features on the full grid would, at an eighteenth of USegNet's operations. What is saved
buys many more training steps, and the average over mirrored volumes when serving.
"""

import torch
from torch import nn

from training.config_network import NetworkConfig
from training.networks.blocks import ConvUnit, NormName, initialise, make_norm
from training.networks.usegnet import HeadLogits


class ResidualUnit(nn.Module):
    """x + two normalised convolutions, then ReLU; (N, C, I, J, K) -> (N, C, I, J, K)."""

    def __init__(self, channels: int, norm: NormName) -> None:
        super().__init__()
        self.first = ConvUnit(channels, channels, (3, 3, 3), norm)
        self.second = nn.Conv3d(channels, channels, 3, padding=1, bias=False)
        self.norm = make_norm(norm, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the unit."""
        return torch.relu(x + self.norm(self.second(self.first(x))))  # (N, C, I, J, K)


class StridedUnit(nn.Module):
    """Convolution of stride 2 + normalisation + ReLU; (N, C_in, I, J, K) -> (N, C_out, I/2, J/2, K/2)."""

    def __init__(self, c_in: int, c_out: int, kernel: int, norm: NormName) -> None:
        super().__init__()
        self.conv = nn.Conv3d(c_in, c_out, kernel, stride=2, padding=(kernel - 1) // 2, bias=False)
        self.norm = make_norm(norm, c_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the unit."""
        return torch.relu(self.norm(self.conv(x)))  # (N, C_out, I/2, J/2, K/2)


class Merge(nn.Module):
    """Deep features, up-sampled, plus those of the skip; (N, C_deep, I, J, K), (N, C, 2I, ..) -> (N, C, 2I, 2J, 2K)."""

    def __init__(self, c_deep: int, channels: int, norm: NormName) -> None:
        super().__init__()
        self.up = nn.ConvTranspose3d(c_deep, channels, 2, stride=2)
        self.refine = ResidualUnit(channels, norm)

    def forward(self, deep: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Add both and refine the sum."""
        refined: torch.Tensor = self.refine(self.up(deep) + skip)  # (N, C, 2I, 2J, 2K)
        return refined


class ResidualNet(nn.Module):
    """Fully convolutional; I, J, K must be multiples of 16. Deep supervision at 1/2 and 1/4 of the grid."""

    def __init__(self, config: NetworkConfig, c_in: int = 1) -> None:
        super().__init__()
        self.config = config
        norm = config.norm
        c1, c2, c3, c4 = config.residual_channels
        self.stem = StridedUnit(c_in, c1, 4, norm)
        self.encoder1 = ResidualUnit(c1, norm)
        self.encoder2 = nn.Sequential(StridedUnit(c1, c2, 3, norm), ResidualUnit(c2, norm))
        self.encoder3 = nn.Sequential(StridedUnit(c2, c3, 3, norm), ResidualUnit(c3, norm), ResidualUnit(c3, norm))
        self.encoder4 = nn.Sequential(StridedUnit(c3, c4, 3, norm), ResidualUnit(c4, norm), ResidualUnit(c4, norm))
        self.merge3 = Merge(c4, c3, norm)
        self.merge2 = Merge(c3, c2, norm)
        self.merge1 = Merge(c2, c1, norm)
        self.head_quarter = nn.Conv3d(c2, 1, 1)
        self.head_half = nn.Conv3d(c1, 1, 1)
        self.head_main = nn.ConvTranspose3d(c1, 1, 4, stride=2, padding=1)
        self.head_distance = nn.Conv3d(c1, 1, 1) if config.distance_head else None
        initialise(self)

    def features(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map the volume (N, C, I, J, K) to what the heads see: (N, 24, I/2, J/2, K/2), (N, 48, I/4, J/4, K/4)."""
        e1 = self.encoder1(self.stem(x))  # (N, 24, I/2, J/2, K/2)
        e2 = self.encoder2(e1)  # (N, 48, I/4, J/4, K/4)
        e3 = self.encoder3(e2)  # (N, 96, I/8, J/8, K/8)
        e4 = self.encoder4(e3)  # (N, 128, I/16, J/16, K/16)
        d3 = self.merge3(e4, e3)  # (N, 96, I/8, J/8, K/8)
        d2 = self.merge2(d3, e2)  # (N, 48, I/4, J/4, K/4)
        return self.merge1(d2, e1), d2

    def forward(self, x: torch.Tensor) -> HeadLogits:
        """Map the volume (N, C, I, J, K) to the logits of the three heads."""
        d1, d2 = self.features(x)  # (N, 24, I/2, J/2, K/2), (N, 48, I/4, J/4, K/4)
        return HeadLogits(
            main=self.head_main(d1),  # (N, 1, I, J, K)
            half=self.head_half(d1),  # (N, 1, I/2, J/2, K/2)
            quarter=self.head_quarter(d2),  # (N, 1, I/4, J/4, K/4)
            distance=None if self.head_distance is None else self.head_distance(d1),  # (N, 1, I/2, J/2, K/2)
        )


class FinerResidualNet(nn.Module):
    """A residual network on a grid that is twice as coarse, and a stage around it that corrects what it says.

    The stage sees the fine grid at half its resolution, hands its features to the network within and merges what comes
    back: a finer surface at about twice the operations, where a whole network on the fine grid would take eight times
    as many. I, J, K must be multiples of 32. Deep supervision by the network within, at 1/2 and 1/4 of the grid.
    """

    def __init__(self, config: NetworkConfig, c_in: int = 1) -> None:
        super().__init__()
        self.config = config
        channels = config.fine_channels
        self.stem = StridedUnit(c_in, channels, 4, config.norm)
        self.encoder = ResidualUnit(channels, config.norm)
        self.inner = ResidualNet(config, channels)
        del self.inner.head_quarter  # one grid too coarse
        self.merge = Merge(config.residual_channels[0], channels, config.norm)
        self.upscale = nn.ConvTranspose3d(1, 1, 4, stride=2, padding=1, bias=False)
        self.head_main = nn.ConvTranspose3d(channels, 1, 4, stride=2, padding=1)
        initialise(self)
        nn.init.zeros_(self.head_main.weight)
        with torch.no_grad():
            self.upscale.weight.copy_(_linear_kernel())

    def forward(self, x: torch.Tensor) -> HeadLogits:
        """Map the volume (N, C, I, J, K) to the logits of the three heads."""
        e0 = self.encoder(self.stem(x))  # (N, 16, I/2, J/2, K/2)
        d1, _ = self.inner.features(e0)  # (N, 24, I/4, J/4, K/4)
        half = self.inner.head_main(d1)  # (N, 1, I/2, J/2, K/2)
        d0 = self.merge(d1, e0)  # (N, 16, I/2, J/2, K/2)
        return HeadLogits(
            main=self.upscale(half) + self.head_main(d0),  # (N, 1, I, J, K)
            half=half,
            quarter=self.inner.head_half(d1),  # (N, 1, I/4, J/4, K/4)
        )


def residual_network(config: NetworkConfig, c_in: int) -> ResidualNet | FinerResidualNet:
    """The residual network of a configuration, with the stage for a finer grid where it has channels for one."""
    return FinerResidualNet(config, c_in) if config.fine_channels else ResidualNet(config, c_in)


def on_finer_grid(state: dict[str, torch.Tensor], fresh: FinerResidualNet) -> dict[str, torch.Tensor]:
    """The state of a fine network that says what a trained one of `state` says of the coarser grid.

    `state` is that of a `ResidualNet` with one input channel. Two of the stem's channels hold the mean of the coarser
    voxel and its negative, the second unit of the stage starts as the identity, its head at 0. Away from the borders
    only what the norms make of the box differs.
    """
    begun = {name: value.clone() for name, value in fresh.state_dict().items()}
    begun |= {f"inner.{name}": value.clone() for name, value in state.items() if f"inner.{name}" in begun}
    known = state["stem.conv.weight"]  # (24, 1, 4, 4, 4)
    begun["inner.stem.conv.weight"] = torch.zeros(known.shape[0], fresh.config.fine_channels, 4, 4, 4)
    begun["inner.stem.conv.weight"][:, 0:1] = known
    begun["inner.stem.conv.weight"][:, 1:2] = -known
    mean = torch.zeros(4, 4, 4)
    mean[1:3, 1:3, 1:3] = 1 / 8
    begun["stem.conv.weight"][0] = mean
    begun["stem.conv.weight"][1] = -mean
    begun["encoder.norm.weight"].zero_()
    return begun


def _linear_kernel() -> torch.Tensor:
    """The transposed convolution that is linear interpolation to half the spacing, (1, 1, 4, 4, 4)."""
    along = torch.tensor([0.25, 0.75, 0.75, 0.25])
    return torch.einsum("i,j,k->ijk", along, along, along)[None, None]
