"""Errors of a model's outline by the tissue outside the head and by the image's contrast across the surface."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from app.contract.value import Value
from app.imaging.arrays import Bool, Float64
from app.imaging.preprocess import fill_cavities
from app.imaging.volume import Float3
from app.inference.segmenter import HeadSegmenter
from training.evaluation.markdown import markdown_table
from training.evaluation.probes.surface import Patches, extract_surface
from training.phantom import Phantom
from training.phantom.tissues import Tissue

OUTSIDE_MM = 2.0
"""The distance outside the surface at which the tissue is read: beyond the voxel that contains both sides."""
REACH_MM = 4
"""The distance on both sides of the surface within which the image is sampled, every millimetre."""
SMOOTHING_MM = 0.8
"""SD of the smoothing of the image, so that speckle is not taken for an edge."""
CONTRASTS = (0.0, 0.4, 0.8, 1.3)
"""The limits between ranges of contrast, in SD of the image inside the field of view."""
SMALLEST_SHARE = 0.01
"""Tissues outside a smaller share of the surface are counted together."""
EDGE, OTHERS = "edge of the field of view", "others"


@dataclass(frozen=True, eq=False)
class Pieces:
    """The truth's surface in n pieces, with the error and the surroundings of each.

    `error_mm` (n,) is the distance to the estimated outline, positive where that lies outside the truth; `area_mm2`
    (n,); `tissue` (n,) labels of the tissue just outside; `contrast` (n,) across the surface, in SD of the image;
    `at_edge` (n,) bool, true where nothing was recorded just outside.
    """

    error_mm: Float64
    area_mm2: Float64
    tissue: npt.NDArray[np.uint8]
    contrast: Float64
    at_edge: Bool


@dataclass(frozen=True, eq=False)
class ScanErrors:
    """The pieces of one scan; None where no head was found, or none lies in view."""

    seed: int
    pieces: Pieces | None


class Part(Value):
    """A part of all scans' surfaces: its share of the area, of the error times area, and the error there, mm."""

    share: float
    mean_absolute_mm: float
    median_absolute_mm: float
    mean_mm: float
    share_of_error: float


class Outline(Value):
    """One scan's error: the offset of the whole outline, the SD around it and the mean absolute distance, mm."""

    seed: int
    offset_mm: float
    sd_mm: float
    mean_absolute_mm: float


class SurfaceReport(Value):
    """Errors of the outline over all scans; `left_out` counts scans in which no head was found or lies in view."""

    left_out: int
    everywhere: Part | None
    by_tissue: dict[str, Part]
    by_contrast: dict[str, Part]
    cases: tuple[Outline, ...]


def measure_scans(segmenter: HeadSegmenter, phantoms: Iterable[Phantom]) -> Iterator[ScanErrors]:
    """Segment each phantom as the service does and measure its outline, on the scan's own grid."""
    for phantom in phantoms:
        mask = segmenter.segment(phantom.volume).mask
        yield ScanErrors(phantom.record.seed, measure_pieces(phantom, mask))


def measure_pieces(phantom: Phantom, mask: npt.NDArray[Any]) -> Pieces | None:
    """Measure the errors of a mask (I, J, K) on the phantom's grid; return None where it or the truth is empty."""
    if not mask.any() or not phantom.truth.data.any():
        return None
    spacing = phantom.truth.geometry.spacing_mm
    patches = extract_surface(phantom.truth.data, spacing).patches()
    data = phantom.volume.data.astype(np.float32)
    seen = fill_cavities(data > data.min())
    outside = patches.centres + OUTSIDE_MM * patches.normals
    return Pieces(
        error_mm=extract_surface(mask, spacing).depth_mm(patches.centres),
        area_mm2=patches.areas,
        tissue=_sample(phantom.tissues.data, outside, spacing, order=0),
        contrast=_measure_contrast(data, seen, patches, spacing),
        at_edge=_sample(seen.astype(np.uint8), outside, spacing, order=0) == 0,
    )


def summarise(found: Sequence[ScanErrors]) -> SurfaceReport:
    """Summarise the pieces of all scans, weighted by area."""
    measured = [(one.seed, one.pieces) for one in found if one.pieces is not None]
    left_out = len(found) - len(measured)
    if not measured:
        return SurfaceReport(left_out=left_out, everywhere=None, by_tissue={}, by_contrast={}, cases=())
    every = _join([pieces for _, pieces in measured])
    whole = np.ones(len(every.at_edge), np.bool_)
    return SurfaceReport(
        left_out=left_out,
        everywhere=_summarise_part(every, whole),
        by_tissue=_summarise_parts(every, _group_by_tissue(every)),
        by_contrast=_summarise_parts(every, _group_by_contrast(every)),
        cases=tuple(_summarise_outline(seed, pieces) for seed, pieces in measured),
    )


def format_table(found: SurfaceReport) -> str:
    """Return the results as Markdown."""
    if found.everywhere is None:
        return f"No head was found, or none lies in view, in {found.left_out} scans."
    offsets = [case.offset_mm for case in found.cases]
    mean, absolute, sd = np.mean(offsets), np.mean(np.abs(offsets)), np.mean([case.sd_mm for case in found.cases])
    parts = [
        f"{len(found.cases)} scans; in {found.left_out} others no head was found, or none lies in view.",
        _format_parts("just outside the surface", found.by_tissue, found.everywhere),
        _format_parts("contrast across the surface [SD]", found.by_contrast, found.everywhere),
        f"The offset of a scan's whole outline is {mean:+.2f} mm (absolute: {absolute:.2f} mm), "
        f"with an SD of {sd:.2f} mm around it; means over scans.",
    ]
    return "\n\n".join(parts)


def _measure_contrast(data: npt.NDArray[np.float32], seen: Bool, patches: Patches, spacing: Float3) -> Float64:
    """Return (largest value within reach inside - mean within reach outside) / SD of the image at each patch (n,).

    Voxels outside the field of view do not count; where no voxel outside the head lies in it, the mean is 0.
    """
    smooth = ndimage.gaussian_filter(data, SMOOTHING_MM / np.asarray(spacing))

    def sample_along(values: npt.NDArray[Any], distance_mm: float) -> Float64:
        return _sample(values, patches.centres + distance_mm * patches.normals, spacing).astype(np.float64)

    inside = np.max([sample_along(smooth, -n) for n in range(REACH_MM + 1)], axis=0)
    weights = np.array([sample_along(seen.astype(np.float32), n) for n in range(1, REACH_MM + 1)])  # (4, n)
    values = np.array([sample_along(smooth, n) for n in range(1, REACH_MM + 1)])
    outside = (values * weights).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-6)
    return np.asarray((inside - outside) / max(float(data[seen].std()), 1e-6))


def _sample(values: npt.NDArray[Any], points: Float64, spacing: Float3, order: Literal[0, 1] = 1) -> npt.NDArray[Any]:
    """Return the values at points (n, 3) in mm from the first voxel's centre (n,); 0 outside the array."""
    at = (points / np.asarray(spacing)).T
    return np.asarray(ndimage.map_coordinates(values, at, order=order, mode="constant"))


def _join(pieces: Sequence[Pieces]) -> Pieces:
    return Pieces(
        **{field.name: np.concatenate([getattr(one, field.name) for one in pieces]) for field in fields(Pieces)}
    )


def _group_by_tissue(pieces: Pieces) -> dict[str, Bool]:
    """Group the pieces by the tissue outside; rare ones come together, last."""
    rare = np.zeros(len(pieces.at_edge), np.bool_)
    groups = {}
    for tissue in Tissue:
        chosen = (pieces.tissue == tissue) & ~pieces.at_edge
        if pieces.area_mm2[chosen].sum() < SMALLEST_SHARE * pieces.area_mm2.sum():
            rare |= chosen
        else:
            groups[tissue.name.lower().replace("_", " ")] = chosen
    return {**groups, OTHERS: rare, EDGE: pieces.at_edge}


def _group_by_contrast(pieces: Pieces) -> dict[str, Bool]:
    """Group the pieces by range of contrast, the lowest first."""
    names = [
        f"below {CONTRASTS[0]:g}",
        *(f"{low:g} to {high:g}" for low, high in itertools.pairwise(CONTRASTS)),
        f"{CONTRASTS[-1]:g} and more",
    ]
    ranges = np.digitize(pieces.contrast, CONTRASTS)
    groups = {name: (ranges == number) & ~pieces.at_edge for number, name in enumerate(names)}
    return {**groups, EDGE: pieces.at_edge}


def _summarise_parts(pieces: Pieces, groups: Mapping[str, Bool]) -> dict[str, Part]:
    return {name: _summarise_part(pieces, chosen) for name, chosen in groups.items() if chosen.any()}


def _summarise_part(pieces: Pieces, chosen: Bool) -> Part:
    error, area = pieces.error_mm[chosen], pieces.area_mm2[chosen]
    absolute = np.abs(error)
    whole = float((np.abs(pieces.error_mm) * pieces.area_mm2).sum())
    return Part(
        share=float(area.sum() / pieces.area_mm2.sum()),
        mean_absolute_mm=float(np.average(absolute, weights=area)),
        median_absolute_mm=float(np.quantile(absolute, 0.5, weights=area, method="inverted_cdf")),
        mean_mm=float(np.average(error, weights=area)),
        share_of_error=float((absolute * area).sum() / whole) if whole else 0.0,
    )


def _summarise_outline(seed: int, pieces: Pieces) -> Outline:
    offset = float(np.average(pieces.error_mm, weights=pieces.area_mm2))
    variance = float(np.average((pieces.error_mm - offset) ** 2, weights=pieces.area_mm2))
    mean_absolute = float(np.average(np.abs(pieces.error_mm), weights=pieces.area_mm2))
    return Outline(seed=seed, offset_mm=offset, sd_mm=variance**0.5, mean_absolute_mm=mean_absolute)


def _format_parts(title: str, parts: Mapping[str, Part], everywhere: Part) -> str:
    header = (
        title,
        "share of the surface [%]",
        "mean distance [mm]",
        "median",
        "mean, signed",
        "share of the error [%]",
    )
    shown = {**parts, "everywhere": everywhere}
    return markdown_table(header, (_format_row(name, part) for name, part in shown.items()))


def _format_row(name: str, part: Part) -> list[str]:
    distances = [f"{part.mean_absolute_mm:.2f}", f"{part.median_absolute_mm:.2f}", f"{part.mean_mm:+.2f}"]
    return [name, f"{100 * part.share:.1f}", *distances, f"{100 * part.share_of_error:.1f}"]
