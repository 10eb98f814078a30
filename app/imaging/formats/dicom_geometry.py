"""Positions, orientation and spacing of the planes of an Enhanced US Volume; the order of its frames means nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from app.imaging.errors import NotMeasurable

LPS_TO_RAS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])
STEP_TOLERANCE: Final = 0.01
VALUES: Final = "PixelValueTransformationSequence"
GREY: Final = "TISSUE_INTENSITY"
LEAST_PLANES: Final = 2
NOT_VOLUME: Final = "export the volume itself (Enhanced US Volume, NRRD or NIfTI), not pictures or a film of it"


@dataclass(frozen=True, eq=False)
class Stack:
    """The frames of one volume from its first plane to its last, the affine to RAS+ (mm), slope and intercept."""

    order: NDArray[np.intp]
    affine: NDArray[np.float64]
    scaling: tuple[float, float]


def read_geometry(dataset: Dataset, count: int) -> Stack:
    """Return where the planes lie; raise `NotMeasurable` for several volumes and for planes that form none."""
    frames = dataset["PerFrameFunctionalGroupsSequence"].value
    shared = dataset["SharedFunctionalGroupsSequence"].value[0]
    if len(frames) != count:
        raise ValueError("the number of frames is not that of their descriptions")
    kept = _keep_grey(frames, shared)
    _refuse_several(frames, shared, kept)
    names = _choose_macros(dataset, frames[kept[0]], shared)
    positions = np.array([_numbers(_group(frames[f], shared, names[0])[names[1]], 3) for f in kept])
    orientation = _numbers(_group(frames[kept[0]], shared, names[2])[names[3]], 6)
    measures = _group(frames[kept[0]], shared, "PixelMeasuresSequence")
    across, down = orientation[:3], orientation[3:]
    normal = np.cross(across, down)
    places = positions @ normal
    order = np.argsort(places, kind="stable")
    step = _even_step(places[order], measures)
    between_rows, between_columns = _numbers(measures["PixelSpacing"], 2)
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1], lps[:3, 2] = across * between_columns, down * between_rows, normal * step
    lps[:3, 3] = positions[order[0]]
    return Stack(
        np.array(kept)[order], np.asarray(LPS_TO_RAS @ lps), _scaling(_find(frames[kept[0]], shared, VALUES) or dataset)
    )


def _find(frame: Dataset, shared: Dataset, name: str) -> Dataset | None:
    """Return a macro of a frame, or the one that all share."""
    for groups in (frame, shared):
        if name in groups and len(groups[name].value):
            item: Dataset = groups[name].value[0]
            return item
    return None


def _group(frame: Dataset, shared: Dataset, name: str) -> Dataset:
    found = _find(frame, shared, name)
    if found is None:
        raise NotMeasurable(
            "no_spacing", "the file does not say where its planes lie", expected=name, remedy="export the volume again"
        )
    return found


def _keep_grey(frames: Any, shared: Dataset) -> list[int]:
    """Return the frames of echoes; others show flow in the same planes."""
    kinds = [_find(frame, shared, "ImageDataTypeSequence") for frame in frames]
    kept = [n for n, kind in enumerate(kinds) if kind is None or str(kind.get("DataType", GREY)) == GREY]
    if len(kept) < LEAST_PLANES:
        raise NotMeasurable("unsupported_type", "the file holds no B-mode volume", expected=GREY, remedy=NOT_VOLUME)
    return kept


def _refuse_several(frames: Any, shared: Dataset, kept: list[int]) -> None:
    groups = (_find(frames[n], shared, "TemporalPositionSequence") for n in kept)
    times = {0.0 if group is None else round(float(group["TemporalPositionTimeOffset"].value), 6) for group in groups}
    if len(times) > 1:
        raise NotMeasurable(
            "several_volumes",
            f"the file holds {len(times)} volumes",
            expected="one volume",
            remedy="export one volume of the series",
        )


def _choose_macros(dataset: Dataset, frame: Dataset, shared: Dataset) -> tuple[str, str, str, str]:
    """Return the names of the macros of position and orientation: the patient's where the geometry is the patient's."""
    if dataset.get("UltrasoundAcquisitionGeometry") == "PATIENT" and _find(frame, shared, "PlanePositionSequence"):
        return "PlanePositionSequence", "ImagePositionPatient", "PlaneOrientationSequence", "ImageOrientationPatient"
    return (
        "PlanePositionVolumeSequence",
        "ImagePositionVolume",
        "PlaneOrientationVolumeSequence",
        "ImageOrientationVolume",
    )


def _numbers(element: Any, count: int) -> NDArray[np.float64]:
    numbers = np.array([float(value) for value in element.value], dtype=np.float64)
    if numbers.size != count or not np.isfinite(numbers).all():
        raise ValueError("an element of the geometry has another number of values")
    return numbers


def _even_step(places: NDArray[np.float64], measures: Dataset) -> float:
    """Return the distance between planes (mm); raise where it varies, or contradicts what the file states."""
    steps = np.diff(places)
    step = float(steps.mean())
    if steps.min() <= 0 or np.ptp(steps) > STEP_TOLERANCE * step:
        raise NotMeasurable(
            "uneven_planes",
            "the planes do not lie at equal distances",
            expected="one distance between all neighbours, within 1 %",
            got=f"{steps.min():.4g} to {steps.max():.4g} mm",
            remedy="export the volume on a regular grid",
        )
    stated = measures.get("SpacingBetweenSlices")
    if stated is not None and not abs(float(stated) - step) <= STEP_TOLERANCE * step:
        raise NotMeasurable(
            "uneven_planes",
            "SpacingBetweenSlices contradicts the planes' positions",
            expected=f"{step:.4g} mm",
            got=f"{float(stated):.4g} mm",
            remedy="export the volume again",
        )
    return step


def _scaling(stated: Dataset) -> tuple[float, float]:
    """Return slope and intercept, of the first frame or of all."""
    return float(stated.get("RescaleSlope", 1.0)), float(stated.get("RescaleIntercept", 0.0))
