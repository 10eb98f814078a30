"""One context level: its own grid and its own region of the volume, and the way from there back to the served grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from app.imaging.arrays import Float32
from app.imaging.preprocess import PreprocessingSpec, resample_coarser
from app.imaging.regions import RegionSpec, crop, find_region, whole_box
from app.imaging.resample import resample
from app.imaging.volume import Volume, VolumeGeometry, corresponding_box

Run = Callable[[Float32, Float32 | None], Float32]
"""A level's network: image, and the probability of the level below if there is one -> probability; (1, 1, I, J, K)."""


class LevelSpec(BaseModel):
    """Where a context level works; travels with the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    grid_spacing_mm: float | None = Field(default=None, gt=0.1, le=6.0, description="coarser grid; None: as served")
    region: RegionSpec | None = Field(default=None, description="None where the level sees the whole volume")

    @property
    def everywhere(self) -> LevelSpec:
        """The same level, seeing the whole volume."""
        return LevelSpec(grid_spacing_mm=self.grid_spacing_mm)

    def grid(self, served: PreprocessingSpec) -> PreprocessingSpec:
        """Return how the level wants its input, where the others want it as `served`."""
        if self.grid_spacing_mm is None:
            return served
        return served.model_copy(update={"spacing_mm": self.grid_spacing_mm})


def run_levels(
    levels: Sequence[LevelSpec], runs: Sequence[Run], image: Float32, served: PreprocessingSpec
) -> Iterator[Float32]:
    """Yield each level's probability, float32 (I, J, K), which is the context of the next one (paper eq. 5)."""
    below: Float32 | None = None
    for level, run in zip(levels, runs, strict=True):
        below = run_level(level, run, image, below, served)
        yield below


def run_level(level: LevelSpec, run: Run, image: Float32, below: Float32 | None, served: PreprocessingSpec) -> Float32:
    """Return a level's probability on the served grid, float32 (I, J, K).

    `image` is the volume prepared on the served grid, `below` the probability of the level below. Outside of the
    level's region that one stays. Raises `NotMeasurable` where the level's grid leaves nothing of the volume.
    """
    whole = VolumeGeometry.from_spacing(image.shape, (served.spacing_mm,) * 3)  # where it lies does not matter
    seen, context = Volume(image, whole), None if below is None else Volume(below, whole)
    grid, box = level.grid(served), whole_box(image.shape)
    if level.grid_spacing_mm is not None:
        seen = resample_coarser(seen, grid)
        context, box = None if context is None else resample(context, seen.geometry), whole_box(seen.data.shape)
    if level.region is not None and context is not None:
        box = find_region(context.data, level.region, grid.spacing_mm, grid.shape_divisor)
    part = run(
        crop(seen.data, box, float(seen.data.min()))[None, None],
        None if context is None else crop(context.data, box, 0.0)[None, None],
    )
    return _paste(Volume(part[0, 0], seen.geometry.crop(box.start, box.stop)), below, whole)


def _paste(found: Volume, below: Float32 | None, grid: VolumeGeometry) -> Float32:
    """Return what was found on the whole grid, and elsewhere what the level below says."""
    if found.geometry == grid:
        return found.data
    start, stop = corresponding_box(found.geometry, grid)
    inside: Float32 = resample(found, grid.crop(start, stop), fill="edge", antialias=False).data
    if below is None or inside.shape == grid.shape:
        return inside
    result = np.array(below)
    result[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = inside
    return result
