"""A network on a coarser grid than the others': it sees the whole volume, they the head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.imaging.arrays import Float32
from app.imaging.preprocess import PreprocessingSpec, resample_coarser
from app.imaging.resample import resample
from app.imaging.volume import Volume, VolumeGeometry


@dataclass(frozen=True)
class CoarserGrid:
    """A coarse network's grid beside that of the others, whose voxels are `spacing_mm` wide."""

    spacing_mm: float
    preprocessing: PreprocessingSpec

    def answer(self, tensor: Float32, run: Callable[[Float32], Float32]) -> Float32:
        """Return a probability, float32 (I, J, K), on the grid of a prepared tensor (1, 1, I, J, K).

        `run` maps the coarse network's own input (1, 1, I', J', K') to its probability (I', J', K'). Raises
        `NotMeasurable` where nothing is left of the volume on the coarse grid.
        """
        seen = self.seen(tensor)
        return self.brought(Volume(run(seen.data[None, None]), seen.geometry), tensor)

    def seen(self, tensor: Float32) -> Volume:
        """Return what the coarse network sees of a prepared tensor, on its own grid; raises as `answer` does."""
        return resample_coarser(Volume(tensor[0, 0], self.grid(tensor)), self.preprocessing)

    def brought(self, found: Volume, tensor: Float32) -> Float32:
        """Return a probability on the coarse grid, brought to that of the prepared tensor, float32 (I, J, K)."""
        on_grid: Float32 = resample(found, self.grid(tensor), antialias=False).data
        return on_grid

    def grid(self, tensor: Float32) -> VolumeGeometry:
        """Return the grid of a prepared tensor; where it lies does not matter."""
        return VolumeGeometry.from_spacing(tensor.shape[2:], (self.spacing_mm,) * 3)
