"""Orientation robustness: the same scan with axes permuted or mirrored, or cropped to the head.

A mask should depend on the patient alone. The service brings every stored volume into one orientation, so that permuted
and mirrored files give the identical mask; here the network itself is measured, without that step. Cropping changes the
extents, and with them the orientation that the service chooses.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.imaging.arrays import Float32
from app.imaging.metrics import dsc
from app.imaging.orientation import Orientation
from app.imaging.postprocess import bounding_box
from app.imaging.preprocess import preprocess, resample_mask_like
from app.imaging.volume import Volume
from app.inference.segmenter import HeadSegmenter
from training.evaluation.markdown import markdown_table
from training.evaluation.statistics.paired import PairedDifference, compare_paired
from training.phantom import Phantom

CLOSEST_MM, FARTHEST_MM = 2.0, 12.0
"""The margin around the head on each side of a cropped volume."""
WAYS = ("permuted", "mirrored", "cropped")
INSIDE = 0.5
"""The value from which a voxel of the soft truth belongs to the head."""
MIRRORS = tuple(axes for count in (1, 2, 3) for axes in itertools.combinations(range(3), count))
PERMUTATIONS = tuple(itertools.permutations(range(3)))[1:]


@dataclass(frozen=True)
class OrientationResult:
    """DSC of one scan on the network's grid as served and in each way, and whether cropping changed its orientation."""

    seed: int
    served: float
    permuted: float
    mirrored: float
    cropped: float
    crop_reoriented: bool


def measure_orientations(segmenter: HeadSegmenter, phantoms: Iterable[Phantom]) -> Iterator[OrientationResult]:
    """Measure each phantom in every way; all random draws depend on its seed alone."""
    for phantom in phantoms:
        rng = np.random.default_rng(phantom.record.seed)
        tensor, truth, orientation = _bring_to_grid(segmenter, phantom.volume, phantom.truth)
        order = PERMUTATIONS[rng.integers(len(PERMUTATIONS))]
        axes = MIRRORS[rng.integers(len(MIRRORS))]
        cut, cut_truth, cut_orientation = _bring_to_grid(segmenter, *crop_to_head(phantom.volume, phantom.truth, rng))
        yield OrientationResult(
            seed=phantom.record.seed,
            served=_measure_dsc(segmenter, tensor, truth),
            permuted=_measure_dsc(segmenter, tensor.transpose(order), truth.transpose(order)),
            mirrored=_measure_dsc(segmenter, np.flip(tensor, axes), np.flip(truth, axes)),
            cropped=_measure_dsc(segmenter, cut, cut_truth),
            crop_reoriented=cut_orientation != orientation,
        )


def crop_to_head(volume: Volume, truth: Volume, rng: np.random.Generator) -> tuple[Volume, Volume]:
    """Crop both volumes to the head with a margin of 2 to 12 mm on every side, as far as they reach."""
    low, high = bounding_box(truth.data > 0, 0)
    spacing = np.array(truth.geometry.spacing_mm)
    before, after = (np.rint(rng.uniform(CLOSEST_MM, FARTHEST_MM, 3) / spacing).astype(int) for _ in range(2))
    start = np.maximum(np.array(low) - before, 0)
    stop = np.minimum(np.array(high) + after, truth.data.shape)
    inside = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    geometry = truth.geometry.crop(_as_index(start), _as_index(stop))
    return Volume(volume.data[inside], geometry), Volume(truth.data[inside], geometry)


def compare_with_served(found: Sequence[OrientationResult]) -> dict[str, PairedDifference]:
    """Return DSC in each way minus DSC as served, paired over scans."""
    served = {one.seed: one.served for one in found}
    return {way: compare_paired({one.seed: getattr(one, way) for one in found}, served) for way in WAYS}


def format_table(found: Sequence[OrientationResult]) -> str:
    """Return the results as a Markdown table, per cent."""
    reoriented = sum(one.crop_reoriented for one in found)
    rows = [["as served", f"{100 * np.mean([one.served for one in found]):.2f}", "", ""]]
    for way, difference in compare_with_served(found).items():
        mean = 100 * np.mean([getattr(one, way) for one in found])
        rows.append([way, f"{mean:.2f}", difference.format(), f"{difference.p:.3g}"])
    caption = f"{len(found)} scans; cropping gave {reoriented} of them another orientation."
    return f"{caption}\n\n{markdown_table(('the scan', 'DSC [%]', 'difference [95 % CI]', 'p'), rows)}"


def _bring_to_grid(segmenter: HeadSegmenter, volume: Volume, truth: Volume) -> tuple[Float32, Float32, Orientation]:
    """Return volume and soft truth, float32 (I, J, K), on the network's grid, and the orientation chosen for them."""
    prepared = preprocess(volume, segmenter.manifest.preprocessing)
    return prepared.tensor[0, 0], resample_mask_like(truth, prepared), prepared.orientation


def _measure_dsc(segmenter: HeadSegmenter, volume: Float32, truth: Float32) -> float:
    found = segmenter.probabilities(np.ascontiguousarray(volume)[None, None])[-1]
    return dsc(found >= segmenter.manifest.postprocessing.threshold, truth >= INSIDE)


def _as_index(values: npt.NDArray[np.int_]) -> tuple[int, int, int]:
    i, j, k = (int(value) for value in values)
    return i, j, k
