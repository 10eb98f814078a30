"""The part of the training configuration that says what the network is."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from training.config.data import Section


class NetworkConfig(Section):
    """The network's shape: USegNet with the paper's channels times `width`, or the residual network.

    SAM 1 and UAM 1 are the deepest, at a quarter of the grid, SAM 3 and UAM 3 those at full resolution. `merge` is what
    stands where a UAM is left out: the concatenation alone (paper, table 2) or a block of two convolutions. `view` is
    what the network sees at once: the whole volume, tiles of `tile_voxels`^3, or slices one by one.
    """

    removed: ClassVar = {
        "norm": "instance",
        "gradient_checkpointing": False,
        "distance_head": False,
        "field_of_view_channel": False,
        "fine_channels": 0,
    }

    architecture: str = "usegnet"
    residual_channels: tuple[int, int, int, int] = (24, 48, 96, 128)
    width: float = Field(1.0, gt=0)
    encoder_kernels: tuple[int, int, int, int] = (3, 3, 5, 5)
    up_kernels: tuple[int, int, int] = (2, 2, 2)
    attention_kernel: int = 3
    attention_temperature: float = Field(1.0, gt=0)
    sam: tuple[int, ...] = (1, 2, 3)
    uam: tuple[int, ...] = (1, 2, 3)
    skips: bool = True
    merge: Literal["concatenation", "block"] = "concatenation"
    view: Literal["volume", "tiles", "slices"] = "volume"
    tile_voxels: int = Field(64, ge=8, multiple_of=8)
    tile_overlap: float = Field(0.5, ge=0, lt=1)
    slices_per_step: int = Field(0, ge=0, description="0 takes every slice of the volume")
    slice_spacing_mm: float | None = Field(None, gt=0, description="grid of slices; None is that of the volumes")

    @property
    def encoder_channels(self) -> tuple[int, int, int, int]:
        """Channels of the four encoder blocks, 32-64-64-64 at width 1."""
        return (self.scale_channels(32), self.scale_channels(64), self.scale_channels(64), self.scale_channels(64))

    @property
    def attention_channels(self) -> int:
        """Channels of P, the shrunk features of an attention module."""
        return self.scale_channels(32)

    @property
    def decoder_channels(self) -> int:
        """Channels that every attention module gives."""
        return self.scale_channels(64)

    @property
    def shape_divisor(self) -> int:
        """What every extent of the network's grid must be a multiple of."""
        return 16 if self.architecture == "residual" else 8

    def scale_channels(self, channels: int) -> int:
        """Return the paper's channels at this width, at least 1."""
        return max(1, round(channels * self.width))

    @model_validator(mode="after")
    def _check(self) -> Self:
        if any(k % 2 == 0 or k < 1 for k in (*self.encoder_kernels, self.attention_kernel)):
            raise ValueError(f"convolution kernels must be odd, got {self.encoder_kernels}, {self.attention_kernel}")
        if any(k not in {2, 3, 4, 5} for k in self.up_kernels):
            raise ValueError(f"transposed kernels must be 2 to 5, got {self.up_kernels}")
        if not {*self.sam, *self.uam} <= {1, 2, 3}:
            raise ValueError(f"sam and uam list modules 1 to 3, got {self.sam} and {self.uam}")
        if self.sam and not self.skips:
            raise ValueError(f"SAM sit on skip connections: without those, sam must be empty, got {self.sam}")
        return self
