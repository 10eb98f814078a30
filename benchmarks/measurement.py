"""Repeated timing of all stages on one size of volume."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from app.imaging.nifti.file import decode_nifti, encode_nifti, encode_volume
from app.imaging.volume import Index3
from app.inference.segmenter import HeadSegmenter
from training.phantom import SimulationRequest, simulate

SEED = 7
WEEKS = 26.0


@dataclass(frozen=True)
class BenchmarkValue:
    """The median of one measured quantity, such as the duration of a stage."""

    name: str
    value: float
    unit: str
    median_of: int
    shape: Index3
    runtime: str
    precision: str

    def record(self) -> dict[str, Any]:
        """Return the value as it is written to the results file."""
        return asdict(self)


def measure(segmenter: HeadSegmenter, spacing_mm: float, repeats: int) -> list[BenchmarkValue]:
    """Time every stage on one simulated volume of this spacing, after a warm-up run."""
    phantom = simulate(SimulationRequest(seed=SEED, weeks=WEEKS, spacing=spacing_mm))
    payload = encode_volume(phantom.volume)
    _run(segmenter, payload)
    runs = [_run(segmenter, payload) for _ in range(repeats)]
    return [
        BenchmarkValue(
            name=f"segment.{stage}",
            value=round(median(run[stage] for run in runs), 4),
            unit="s",
            median_of=repeats,
            shape=phantom.volume.geometry.shape,
            runtime=segmenter.provider,
            precision=segmenter.precision,
        )
        for stage in runs[0]
    ]


def _run(segmenter: HeadSegmenter, payload: bytes) -> dict[str, float]:
    """Return the seconds per stage from the upload's bytes to the mask's bytes, and their total."""
    began = time.perf_counter()
    file = decode_nifti(payload)
    decoded = time.perf_counter()
    segmentation = segmenter.segment(file.volume)
    segmented = time.perf_counter()
    encode_nifti(segmentation.mask, file.header)
    ended = time.perf_counter()
    stages = {name: seconds for name, seconds in segmentation.timings_s.items() if name != "total"}
    return {"decode": decoded - began, **stages, "encode": ended - segmented, "total": ended - began}
