"""Measuring a model on a folder of one's own: accuracy against its labels, spread over a patient's scans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from app.imaging.volume import Volume
from training.config import ConfigError
from training.evaluation.calibration import Labelled
from training.evaluation.cases import CaseResult, Facts, Segment, judged_case
from training.evaluation.reproducibility import MIN_VIEWS, Reproducibility, spread
from training.own_data.folder import OwnCase, read_case

OWN = "own"


def evaluate_own(cases: Sequence[OwnCase], segment: Segment) -> Iterator[CaseResult]:
    """Segment every case and compare with its label."""
    for number, case in enumerate(cases):
        image, label = read_case(case)
        if label is None:
            raise ConfigError(f"{case.name} has no label to compare with")
        yield judged_case(Facts(seed=number, case=case.name, family=OWN, look=OWN), image, label, segment)


def labelled_own(cases: Sequence[OwnCase]) -> Iterator[Labelled]:
    """Every case with its label, to calibrate on; ConfigError where one has none."""
    for number, case in enumerate(cases):
        image, label = read_case(case)
        if label is None:
            raise ConfigError(f"{case.name} has no label to calibrate on")
        yield Labelled(number, image, label)


def repeated_cases(cases: Sequence[OwnCase]) -> dict[str, list[OwnCase]]:
    """The patients with as many scans as most of those who have several; ConfigError below 2 such patients."""
    by_patient: dict[str, list[OwnCase]] = {}
    for case in cases:
        by_patient.setdefault(case.patient, []).append(case)
    counts = Counter(len(found) for found in by_patient.values() if len(found) >= MIN_VIEWS)
    views = max(counts, key=lambda n: (counts[n], n), default=0)
    groups = {patient: found for patient, found in by_patient.items() if len(found) == views}
    if views == 0 or len(groups) < MIN_VIEWS:
        raise ConfigError(
            "repeated measurements need 2 or more patients with as many scans each, named such as P07_1 and P07_2; "
            f"found {len(by_patient)} patients with {sorted({len(c) for c in by_patient.values()})} scans"
        )
    return groups


def repeat_own(groups: dict[str, list[OwnCase]], segment: Segment) -> Iterator[tuple[str, float]]:
    """Patient and measured volume in mL of every scan; labels are not needed."""
    for patient, cases in groups.items():
        for case in cases:
            image, _ = read_case(case)
            yield patient, _millilitres(image, segment)


def own_reproducibility(measured: Sequence[tuple[str, float]]) -> Reproducibility:
    """The spread of repeated measurements, by patient."""
    by_patient: dict[str, list[float]] = {}
    for patient, volume in measured:
        by_patient.setdefault(patient, []).append(volume)
    return spread(list(by_patient.values()))


def _millilitres(image: Volume, segment: Segment) -> float:
    return float(segment(image, None).mask.sum()) * image.geometry.voxel_volume_mm3 / 1000
