"""Statistics of simulated scans beside those of real ones: grey values and grain inside the head, and its shape."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import ndimage

from training.evaluation.markdown import markdown_table
from training.phantom import Phantom, SimulationRequest, simulate
from training.phantom.head import Head
from training.phantom.shapes import Field, Points
from training.phantom.simulate import find_scene
from training.phantom.tissues import Tissue

PERCENTILES: Final = (10, 50, 90)
REAL: Final = {
    "grey_10": "1 to 36",
    "grey_50": "23 to 68",
    "grey_90": "90 to 131",
    "base_percent": "about 10",
}
"""The range over 3D scans of real fetal heads, none of which is part of the project; of the base, an infant's head."""
TITLES: Final = {
    "grey_10": "grey 10 %",
    "grey_50": "50 %",
    "grey_90": "90 %",
    "grain": "mean / SD in brain",
    "base_percent": "base (% of surface)",
    "neck_percent": "neck (% of BPD)",
    "in_view_percent": "in view (%)",
}
_STEP_MM = 1.5
_GRAIN_MM = 6.0
_GRAIN_VOXELS = 100
_EXPLAINED = (
    "Medians over the scans and ranges. Grey values of 255 inside the true outline. Mean / SD: of the grey values of "
    "brain tissue in cubes of 6 mm, the median of a scan; the tone curve changes it, so that it compares looks, and is "
    "not the ratio of the envelope. Base: the part of the head's surface that lies in the plane through menton and C2. "
    "Neck: the largest width in that plane."
)


@dataclass(frozen=True)
class ScanStatistics:
    """The statistics of one simulated scan; `grain` is NaN where no brain tissue fills a cube."""

    cohort: str
    look: str
    grey_10: float
    grey_50: float
    grey_90: float
    grain: float
    base_percent: float
    neck_percent: float
    in_view_percent: float


def measure_cohort(cohort: str, requests: Iterable[SimulationRequest]) -> Iterator[ScanStatistics]:
    """Simulate the scans of a cohort and yield the statistics of each."""
    for request in requests:
        made = simulate(request)
        base, neck = measure_base(find_scene(request).head)
        low, middle, high = np.percentile(made.volume.data[made.truth.data > 0], PERCENTILES)
        yield ScanStatistics(
            cohort=cohort,
            look=made.record.look,
            grey_10=float(low),
            grey_50=float(middle),
            grey_90=float(high),
            grain=measure_grain(made),
            base_percent=100 * base,
            neck_percent=100 * neck,
            in_view_percent=100 * made.record.head_in_view,
        )


def measure_grain(phantom: Phantom) -> float:
    """Return mean over SD of the grey values of brain tissue in small cubes: the median over them."""
    size = max(round(_GRAIN_MM / phantom.record.spacing_mm), 3)
    brain = (phantom.tissues.data == Tissue.BRAIN) & (phantom.truth.data > 0)
    grey = phantom.volume.data.astype(np.float64)
    full = np.asarray(ndimage.minimum_filter(brain, size), np.bool_)
    mean = ndimage.uniform_filter(grey, size)[full]
    spread = np.sqrt(np.maximum(ndimage.uniform_filter(grey**2, size)[full] - mean**2, 0))
    seen = spread > 0
    return float(np.median(mean[seen] / spread[seen])) if seen.sum() >= _GRAIN_VOXELS else float("nan")


def measure_base(head: Head) -> tuple[float, float]:
    """Return the share of the head's surface that is the flat base, and the base's width as a share of the BPD."""
    axis = np.arange(-head.reach, head.reach + _STEP_MM, _STEP_MM, dtype=np.float32)
    p = Points(*np.meshgrid(axis, axis, axis, indexing="ij"))
    q = head.unwarp(p)
    skin, below = head.skin(q), head.below_plane(q)
    on_plane = np.clip(1 - np.abs(below) / _STEP_MM, 0, None)
    base = float((on_plane * _fill(skin)).sum(dtype=np.float64)) * _STEP_MM**2
    whole = _fill(np.maximum(skin, below)).astype(np.float64)
    surface = float(ndimage.gaussian_gradient_magnitude(whole, 1.0).sum()) * _STEP_MM**2
    across = p.x[(on_plane > 0) & (skin < 0)]
    width = float(np.ptp(across)) if across.size else 0.0
    return base / surface, width / (2 * head.radii[0])


def format_table(found: Sequence[ScanStatistics]) -> str:
    """Return the statistics per cohort and look below those of real scans, as a Markdown table."""
    rows = [["real", "", "", *(REAL.get(name, "") for name in TITLES)]]
    for (cohort, look), scans in itertools.groupby(sorted(found, key=_find_group), key=_find_group):
        same = list(scans)
        cells = (_format([float(getattr(scan, name)) for scan in same], name) for name in TITLES)
        rows.append([f"`{cohort}`", f"`{look}`", str(len(same)), *cells])
    return f"{markdown_table(['', 'look', 'scans', *TITLES.values()], rows, words=2)}\n\n{_EXPLAINED}"


def _find_group(scan: ScanStatistics) -> tuple[str, str]:
    return scan.cohort, scan.look


def _format(values: Sequence[float], name: str) -> str:
    known = [value for value in values if np.isfinite(value)]
    form = ".1f" if name in {"grain", "base_percent"} else ".0f"
    return f"{np.median(known):{form}} ({min(known):{form}} to {max(known):{form}})" if known else "-"


def _fill(distance: Field) -> Field:
    """Return which share of each cell lies inside."""
    return np.asarray(np.clip(0.5 - distance / np.float32(_STEP_MM), 0, 1), np.float32)
