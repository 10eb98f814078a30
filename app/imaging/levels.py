"""Context levels, each with its own grid and its own region, whose result is mapped back to the served grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from app.contract.value import Value
from app.imaging.arrays import Float32
from app.imaging.pose import Places, halve
from app.imaging.preprocess import PreprocessingSpec, resample_coarser
from app.imaging.regions import RegionSpec, crop, find_region, whole_box
from app.imaging.resample import resample
from app.imaging.volume import Volume, VolumeGeometry, corresponding_box

RunNetwork = Callable[[Float32, Float32 | None], Float32]
"""A level's network: a function (image, probability of the level below or None), both (1, 1, I, J, K), -> its output.

The output (1, 1, I, J, K) is the probability. Of a network that tells places in the head it is (1, 4, I, J, K): these
follow, see `pose`.
"""


@dataclass(frozen=True)
class LevelResult:
    """A level's probability, float32 (I, J, K) on the served grid, and the places in the head, where it tells them.

    The places lie in the space of `VolumeGeometry.from_spacing` of the served grid.
    """

    probability: Float32
    places: Places | None = None


class LevelSpec(Value):
    """The grid and the region of a context level; a part of the model's manifest."""

    grid_spacing_mm: float | None = Field(default=None, gt=0.1, le=6.0, description="coarser grid; None: as served")
    region: RegionSpec | None = Field(default=None, description="None where the level sees the whole volume")

    @property
    def everywhere(self) -> LevelSpec:
        """The same level with the whole volume as its region."""
        return LevelSpec(grid_spacing_mm=self.grid_spacing_mm)

    def grid(self, served: PreprocessingSpec) -> PreprocessingSpec:
        """Return the form of the level's input, given the one of the served grid."""
        if self.grid_spacing_mm is None:
            return served
        return served.model_copy(update={"spacing_mm": self.grid_spacing_mm})


def run_levels(
    levels: Sequence[LevelSpec], runs: Sequence[RunNetwork], image: Float32, served: PreprocessingSpec
) -> Iterator[Float32]:
    """Yield each level's probability, float32 (I, J, K), which is the context of the next one (paper eq. 5)."""
    below: Float32 | None = None
    for level, run in zip(levels, runs, strict=True):
        below = run_level(level, run, image, below, served).probability
        yield below


def run_level(
    level: LevelSpec, run: RunNetwork, image: Float32, below: Float32 | None, served: PreprocessingSpec
) -> LevelResult:
    """Run a level and return its probability on the served grid.

    `image` is the volume prepared on the served grid, `below` the probability of the level below, which remains outside
    the level's region. Raises `NotMeasurable` where no part of the volume is left on the level's grid.
    """
    whole = VolumeGeometry.from_spacing(image.shape, (served.spacing_mm,) * 3)  # its position does not matter
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
    geometry = seen.geometry.crop(box.start, box.stop)
    places = halve(part[0, 1:], geometry) if part.shape[1] > 1 else None
    return LevelResult(_paste(Volume(part[0, 0], geometry), below, whole), places)


def _paste(found: Volume, below: Float32 | None, grid: VolumeGeometry) -> Float32:
    """Return the level's result on the whole grid, with the probability of the level below elsewhere."""
    if found.geometry == grid:
        return found.data
    start, stop = corresponding_box(found.geometry, grid)
    inside: Float32 = resample(found, grid.crop(start, stop), fill="edge", antialias=False).data
    if below is None or inside.shape == grid.shape:
        return inside
    result = np.array(below)
    result[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = inside
    return result
