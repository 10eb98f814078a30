"""Measuring a model on a folder of one's own: accuracy against its labels, spread over a patient's scans."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.config.training import ConfigError
from training.evaluation.cases import CaseResult, Facts, Segment, judge_case
from training.evaluation.statistics.reproducibility import MIN_VIEWS, Reproducibility, summarise_spread
from training.own_data.folder import OwnCase, read_case, read_labelled
from training.own_data.patients import REMEDY, explain_single_patient

OWN = "own"


def evaluate_own(cases: Sequence[OwnCase], segment: Segment) -> Iterator[CaseResult]:
    """Segment every case and compare with its label."""
    for number, case in enumerate(cases):
        image, label = read_labelled(case)
        yield judge_case(Facts(seed=number, case=case.name, family=OWN, look=OWN), image, label, segment)


@dataclass(frozen=True)
class RepeatedScan:
    """One measured scan of a patient who has several; the voxel's edges in mm."""

    patient: str
    scan: str
    measured_ml: float
    verdict: str
    spacing_mm: tuple[float, float, float]


def find_repeated(cases: Sequence[OwnCase]) -> tuple[dict[str, list[OwnCase]], tuple[str, ...]]:
    """Return the scans of the patients with as many as most of those who have several, and who is left out, and why.

    Raises ConfigError below 2 such patients.
    """
    by_patient: dict[str, list[OwnCase]] = {}
    for case in cases:
        by_patient.setdefault(case.patient, []).append(case)
    counts = Counter(len(found) for found in by_patient.values() if len(found) >= MIN_VIEWS)
    views = max(counts, key=lambda n: (counts[n], n), default=0)
    groups = {patient: found for patient, found in by_patient.items() if len(found) == views}
    if views == 0 or len(groups) < MIN_VIEWS:
        found = f"{len(by_patient)} patients with {sorted({len(c) for c in by_patient.values()})} scans"
        raise ConfigError(
            "repeated measurements need 2 or more patients with as many scans each, named such as P07_1 and P07_2; "
            f"found {explain_single_patient({case.name: case.patient for case in cases}) or f'{found}; {REMEDY}'}"
        )
    others = sorted((patient, len(found)) for patient, found in by_patient.items() if patient not in groups)
    left_out = tuple(
        f"{patient}: number of scans {number}, compared are patients with {views}" for patient, number in others
    )
    return groups, left_out


def measure_repeated(groups: dict[str, list[OwnCase]], segment: Segment) -> Iterator[RepeatedScan]:
    """Measure every scan of every patient; labels are not needed."""
    for patient, cases in groups.items():
        for case in cases:
            image, _ = read_case(case)
            answer = segment(image, None)
            volume_ml = float(answer.mask.sum()) * image.geometry.voxel_volume_mm3 / 1000
            yield RepeatedScan(patient, case.name, volume_ml, answer.verdict, image.geometry.spacing_mm)


def summarise_repeats(measured: Sequence[RepeatedScan], left_out: tuple[str, ...] = ()) -> Reproducibility:
    """Return the spread of repeated measurements over patients."""
    by_patient: dict[str, list[float]] = {}
    for scan in measured:
        by_patient.setdefault(scan.patient, []).append(scan.measured_ml)
    edges = [round(edge, 4) for scan in measured for edge in scan.spacing_mm]
    beside = {"left_out": left_out, "spacing_mm": (min(edges), max(edges))}
    return summarise_spread(list(by_patient.values())).model_copy(update=beside)


def write_scans(path: Path, measured: Sequence[RepeatedScan]) -> None:
    """Write the volume of every scan as a CSV."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["patient", "scan", "measured_ml", "verdict"])
        writer.writerows([scan.patient, scan.scan, f"{scan.measured_ml:.3f}", scan.verdict] for scan in measured)
