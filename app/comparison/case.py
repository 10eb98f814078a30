"""One result against its true mask: volumes, overlap, distances, and whether the interval held the true volume."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from app.batch.results import CaseReport
from app.batch.written import read_whole
from app.comparison.pairs import Pair
from app.contract.value import Value, Verdict, round_volume
from app.files import path_text
from app.imaging import metrics
from app.imaging.errors import ImagingError
from app.imaging.formats.checks import DecodeLimits
from app.imaging.nifti.edited_mask import read_mask_on_grid
from app.imaging.nifti.file import OpenNifti
from app.imaging.postprocess import head_volume_ml

CaseState = Literal["compared", "no_mask", "failed"]
CHANGED: Final = (
    "Its files in the folder for results were changed since; measure it again with fetalhead segment --force."
)
EMPTY: Final = "empty_mask"


class ComparedCase(Value):
    """One case, as a row of cases.csv; volumes and errors are empty where the verdict is reject.

    Errors are measured minus true. DSC, Jaccard and conformity are fractions; the distances, between the surfaces of
    both masks, are the average and the largest (Hausdorff).
    """

    name: str
    state: CaseState
    file: str | None = None
    verdict: Verdict | None = None
    flags: str | None = None
    gestational_age_weeks: float | None = None
    head_volume_ml: float | None = None
    true_volume_ml: float | None = None
    error_ml: float | None = None
    error_percent: float | None = None
    head_volume_low_ml: float | None = None
    head_volume_high_ml: float | None = None
    interval_held: bool | None = None
    dsc: float | None = None
    jaccard: float | None = None
    conformity: float | None = None
    average_distance_mm: float | None = None
    hausdorff_distance_mm: float | None = None
    mask: str | None = None
    problem: str | None = None


def compare_pair(pair: Pair) -> ComparedCase:
    """Compare one result with its true mask; what prevents that is said in the case."""
    known = ComparedCase(name=pair.name, state="failed", mask=None if pair.truth is None else path_text(pair.truth))
    if pair.fault is not None or pair.report is None:
        return known.model_copy(update={"problem": pair.fault})
    report = read_whole(pair.report)
    if report is None:
        return known.model_copy(update={"problem": CHANGED})
    known = _add_report(known, report)
    if pair.truth is None:
        return known.model_copy(update={"state": "no_mask"})
    try:
        return _compare(known, report, pair.report.with_name(report.mask), pair.truth)
    except (ImagingError, OSError) as error:
        return known.model_copy(update={"problem": _describe(error)})


def _add_report(case: ComparedCase, report: CaseReport) -> ComparedCase:
    low, high = report.head_volume_interval_ml or (None, None)
    return case.model_copy(
        update={
            **{name: getattr(report, name) for name in ("file", "verdict", "gestational_age_weeks", "head_volume_ml")},
            "flags": " ".join(flag.code for flag in report.flags),
            "head_volume_low_ml": low,
            "head_volume_high_ml": high,
        }
    )


def _compare(case: ComparedCase, report: CaseReport, mask: Path, truth: Path) -> ComparedCase:
    limits = DecodeLimits()
    measured = OpenNifti(mask.read_bytes(), limits)
    true_head, geometry = read_mask_on_grid(truth.read_bytes(), measured.header, report.input.spacing_mm, limits)
    head = measured.voxels() != 0
    score = metrics.dsc(head, true_head)
    distances = metrics.measure_boundary_distances(head, true_head, geometry.spacing_mm)
    return case.model_copy(
        update={
            "state": "compared",
            **_compare_volumes(report, head_volume_ml(true_head, geometry)),
            "dsc": score,
            "jaccard": metrics.jaccard(score),
            "conformity": metrics.conformity(score),
            "average_distance_mm": distances.adb_mm,
            "hausdorff_distance_mm": distances.hdb_mm,
        }
    )


def _compare_volumes(report: CaseReport, true_ml: float) -> dict[str, float | bool | None]:
    """Return the members of a case that come from both volumes."""
    measured, interval = report.head_volume_ml, report.head_volume_interval_ml
    true_ml = round_volume(true_ml)  # as the measured one
    return {
        "true_volume_ml": true_ml,
        "error_ml": None if measured is None else measured - true_ml,
        "error_percent": None if measured is None else 100 * (measured - true_ml) / true_ml,
        "interval_held": None if interval is None else interval[0] <= true_ml <= interval[1],
    }


def _describe(error: ImagingError | OSError) -> str:
    if isinstance(error, OSError):
        return f"The true mask cannot be read: {error.strerror or error}."
    if error.code == EMPTY:  # the remedy is for readers in the viewer
        return error.detail
    return str(error)
