"""Measured values, simulated volumes to measure on, and repeated timing of all stages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

import numpy as np

from app.imaging.nifti.file import decode_nifti, encode_nifti, encode_volume
from app.imaging.volume import Index3, Volume, VolumeGeometry
from app.inference.segmenter import HeadSegmenter
from training.phantom import SimulationRequest, simulate

SEED, WEEKS = 7, 26.0
NATIVE: Index3 = (388, 258, 440)
NATIVE_MM = 0.38
MADE_AT_MM = 1.2
T = TypeVar("T")


@dataclass(frozen=True)
class BenchmarkValue:
    """The median of one measured quantity, such as the duration of a stage, and all of its values where they matter."""

    name: str
    value: float
    unit: str
    median_of: int
    shape: Index3
    runtime: str
    precision: str
    series: tuple[float, ...] = ()

    def __str__(self) -> str:
        """Describe the value in one line."""
        size = "x".join(map(str, self.shape))
        return f"{self.name:<32}{self.value:>12.4g} {self.unit:<9}{size:>14} {self.runtime} {self.precision}"


def time_call(call: Callable[[], T]) -> tuple[T, float]:
    """Return the result of a call and its seconds."""
    began = time.perf_counter()
    result = call()
    return result, time.perf_counter() - began


def measure_stages(segmenter: HeadSegmenter, spacing_mm: float, repeats: int) -> Iterator[BenchmarkValue]:
    """Time every stage on one simulated volume of this spacing, after a warm-up run."""
    volume = simulate(SimulationRequest(seed=SEED, weeks=WEEKS, spacing=spacing_mm)).volume
    payload = encode_volume(volume)
    _, *runs = [_time_stages(segmenter, payload) for _ in range(1 + repeats)]
    kind = (repeats, volume.geometry.shape, segmenter.provider, segmenter.precision)
    for stage in runs[0]:
        yield BenchmarkValue(f"segment.{stage}", round(median(run[stage] for run in runs), 4), "s", *kind)


def _time_stages(segmenter: HeadSegmenter, payload: bytes) -> dict[str, float]:
    """Return the seconds per stage from the upload's bytes to the mask's bytes, and their total."""
    file, decode = time_call(lambda: decode_nifti(payload))
    found, whole = time_call(lambda: segmenter.segment(file.volume))
    _, encode = time_call(lambda: encode_nifti(found.mask, file.header))
    stages = {name: seconds for name, seconds in found.timings_s.items() if name != "total"}
    return {"decode": decode, **stages, "encode": encode, "total": decode + whole + encode}


def make_bright_head(shape: Index3, size: float = 1.0) -> Volume:
    """Make a simulated volume with `size` times the voxels of `shape`, 0.38 mm each, and a very bright head."""
    factor = size ** (1 / 3)
    i, j, k = (round(n * factor) for n in shape)
    phantom = simulate(SimulationRequest(seed=SEED, weeks=WEEKS, spacing=MADE_AT_MM))
    image = (phantom.volume.data // 4 + phantom.truth.data * np.uint8(150)).astype(np.uint8)
    picked = [np.linspace(0, n - 1, m).round().astype(int) for n, m in zip(image.shape, (i, j, k), strict=True)]
    data = np.asfortranarray(image[np.ix_(*picked)])
    return Volume(data, VolumeGeometry.from_spacing((i, j, k), (NATIVE_MM, NATIVE_MM, NATIVE_MM)))
