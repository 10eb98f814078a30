"""The same scan seen otherwise: axes in another order, mirrored, cut down to the head.

A mask should depend on the patient alone. Serving brings every stored volume into one orientation, so that permuted
and mirrored files give the identical mask; here the network itself is asked, behind that step. Cropping changes the
extents, and with them the orientation that serving chooses.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.imaging.arrays import Float32
from app.imaging.orientation import Orientation
from app.imaging.postprocess import bounding_box
from app.imaging.preprocess import preprocess, resample_mask_like
from app.imaging.volume import Volume
from app.inference.segmenter import HeadSegmenter
from training.evaluation.markdown import markdown_table
from training.evaluation.metrics import dsc, overlap
from training.evaluation.statistics.paired import PairedDifference, paired_difference
from training.phantom import Phantom

CLOSEST_MM, FARTHEST_MM = 2.0, 12.0
"""How much is left around the head on each side of a cropped volume."""
WAYS = ("permuted", "mirrored", "cropped")
INSIDE = 0.5
"""From which share on a voxel of the soft truth belongs to the head."""
MIRRORS = tuple(axes for count in (1, 2, 3) for axes in itertools.combinations(range(3), count))
PERMUTATIONS = tuple(itertools.permutations(range(3)))[1:]


@dataclass(frozen=True)
class Turned:
    """DSC of one scan on the network's grid as it is served and in each way, and whether cropping turned it."""

    seed: int
    served: float
    permuted: float
    mirrored: float
    cropped: float
    crop_turned: bool


def turned_cases(segmenter: HeadSegmenter, phantoms: Iterable[Phantom]) -> Iterator[Turned]:
    """Measure each phantom in every way; what is drawn depends on its seed alone."""
    for phantom in phantoms:
        rng = np.random.default_rng(phantom.record.seed)
        tensor, truth, orientation = _on_grid(segmenter, phantom.volume, phantom.truth)
        order = PERMUTATIONS[rng.integers(len(PERMUTATIONS))]
        axes = MIRRORS[rng.integers(len(MIRRORS))]
        cut, cut_truth, cut_orientation = _on_grid(segmenter, *cropped(phantom.volume, phantom.truth, rng))
        yield Turned(
            seed=phantom.record.seed,
            served=_dsc(segmenter, tensor, truth),
            permuted=_dsc(segmenter, tensor.transpose(order), truth.transpose(order)),
            mirrored=_dsc(segmenter, np.flip(tensor, axes), np.flip(truth, axes)),
            cropped=_dsc(segmenter, cut, cut_truth),
            crop_turned=cut_orientation != orientation,
        )


def cropped(volume: Volume, truth: Volume, rng: np.random.Generator) -> tuple[Volume, Volume]:
    """Both volumes cut down to the head and 2 to 12 mm more on every side, as far as they reach."""
    low, high = bounding_box(truth.data > 0, 0)
    spacing = np.array(truth.geometry.spacing_mm)
    before, after = (np.rint(rng.uniform(CLOSEST_MM, FARTHEST_MM, 3) / spacing).astype(int) for _ in range(2))
    start = np.maximum(np.array(low) - before, 0)
    stop = np.minimum(np.array(high) + after, truth.data.shape)
    inside = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    geometry = truth.geometry.crop(_index(start), _index(stop))
    return Volume(volume.data[inside], geometry), Volume(truth.data[inside], geometry)


def differences(found: Sequence[Turned]) -> dict[str, PairedDifference]:
    """DSC in each way minus DSC as served, paired over scans."""
    served = {one.seed: one.served for one in found}
    return {way: paired_difference({one.seed: getattr(one, way) for one in found}, served) for way in WAYS}


def table(found: Sequence[Turned]) -> str:
    """The findings as Markdown, per cent."""
    turned = sum(one.crop_turned for one in found)
    rows = [["as served", f"{100 * np.mean([one.served for one in found]):.2f}", "", ""]]
    for way, difference in differences(found).items():
        low, high = (100 * value for value in difference.ci95)
        mean = 100 * np.mean([getattr(one, way) for one in found])
        shown = f"{100 * difference.mean:+.2f} [{low:+.2f}, {high:+.2f}]"
        rows.append([way, f"{mean:.2f}", shown, f"{difference.p:.3g}"])
    told = f"{len(found)} scans; cropping gave {turned} of them another orientation."
    return f"{told}\n\n{markdown_table(('the scan', 'DSC [%]', 'difference [95 % CI]', 'p'), rows)}"


def _on_grid(segmenter: HeadSegmenter, volume: Volume, truth: Volume) -> tuple[Float32, Float32, Orientation]:
    """Volume and soft truth, float32 (I, J, K), on the network's grid, and the orientation chosen for them."""
    prepared = preprocess(volume, segmenter.manifest.preprocessing)
    return prepared.tensor[0, 0], resample_mask_like(truth, prepared), prepared.orientation


def _dsc(segmenter: HeadSegmenter, volume: Float32, truth: Float32) -> float:
    found = segmenter.probabilities(np.ascontiguousarray(volume)[None, None])[-1]
    return dsc(overlap(found >= segmenter.manifest.postprocessing.threshold, truth >= INSIDE))


def _index(values: npt.NDArray[np.int_]) -> tuple[int, int, int]:
    i, j, k = (int(value) for value in values)
    return i, j, k
