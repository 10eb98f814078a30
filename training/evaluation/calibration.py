"""Calibration of the threshold and of the review limits on validation cases.

The threshold is the one at which the median volume error is 0. Then every number of `QualityNumbers` that predicts
failure gets the limit that few good cases exceed, both in original and in degraded scans. Limits for `reject` are
plausibility bounds and stay as they are, except the number of checks that fail together: no good case has more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app.contract.report import QualityNumbers
from app.contract.value import Value
from app.imaging import metrics
from app.imaging.postprocess import head_volume_ml, segment_mask
from app.imaging.quality import Limit, QualitySpec, assess, count_mask_doubts
from app.imaging.volume import Volume
from app.inference.segmenter import HeadSegmenter
from app.inference.volume_interval import VolumeInterval
from training.evaluation.degrade import degrade

FALSE_ALARMS = 0.03
"""Share of good cases that each limit may flag."""
GOOD_DSC, BAD_DSC = 0.9, 0.8
MUCH_IS_BAD = (
    "level_volume_change",
    "foreground_entropy",
    "outside_mass_fraction",
    "soft_volume_change",
)
LITTLE_IS_BAD = ("context_agreement_dsc", "ellipsoid_ratio", "pose_certainty")
USUAL_DOUBTS = 3
"""This number of failed checks never rejects, however few good cases there are."""
DIGITS = 4
THRESHOLDS = tuple(round(0.30 + 0.02 * n, 2) for n in range(16))
"""From 0.30 to 0.60: a bias that needs more is not a matter of the threshold."""


class CalibrationError(Exception):
    """A model that cannot be calibrated; the message says why."""


@dataclass(frozen=True)
class Labelled:
    """A scan and its head (u8, 0 or 1, on the same grid); the seed determines its degradation."""

    seed: int
    volume: Volume
    truth: Volume


@dataclass(frozen=True)
class JudgedCase:
    """One segmentation with its quality numbers, its overlap and the true volume; `degraded` on purpose or not."""

    dsc: float
    volume_ml: float
    numbers: QualityNumbers
    true_ml: float
    seed: int
    degraded: bool = False

    @property
    def relative_error(self) -> float:
        """The error as a part of the measured volume, which must not be 0."""
        return (self.volume_ml - self.true_ml) / self.volume_ml


class Calibration(Value):
    """The separation of good from bad cases by the verdict, on the cases of the calibration."""

    cases: int
    good: int
    good_flagged: int
    bad: int
    bad_flagged: int

    def __str__(self) -> str:
        """Describe the calibration in one line."""
        return (
            f"{self.cases} cases: {self.bad_flagged} of {self.bad} with DSC below {BAD_DSC} flagged, "
            f"{self.good_flagged} of {self.good} with DSC of {GOOD_DSC} or more flagged falsely"
        )


def find_unbiased_threshold(segmenter: HeadSegmenter, scans: Iterable[Labelled]) -> float:
    """Return the threshold of the probability at which the masks, as served, have the smallest median volume error."""
    tried = [segmenter.manifest.postprocessing.model_copy(update={"threshold": t}) for t in THRESHOLDS]
    errors = []
    for scan in scans:
        found, grid = segmenter.segment(scan.volume), scan.volume.geometry
        masks = (segment_mask(found.level_probabilities[-1], found.preprocessed, grid, rules).head for rules in tried)
        true = head_volume_ml(scan.truth.data, scan.truth.geometry)
        errors.append([head_volume_ml(mask, grid) / true - 1 for mask in masks])
    return THRESHOLDS[int(np.argmin(np.abs(np.median(errors, axis=0))))]


def judge_cases(segmenter: HeadSegmenter, scans: Iterable[Labelled]) -> Iterator[JudgedCase]:
    """Segment each scan twice, in its original form and degraded."""
    for scan in scans:
        worse = degrade(scan.volume, np.random.default_rng(scan.seed))
        for volume in (scan.volume, worse):
            found = segmenter.segment(volume)
            truth = scan.truth.data * (volume.data > 0)
            overlap, true_ml = metrics.dsc(found.mask, truth), head_volume_ml(truth, scan.truth.geometry)
            yield JudgedCase(overlap, found.mask_volume_ml, found.quality, true_ml, scan.seed, volume is worse)


def find_review_limits(cases: Sequence[JudgedCase], spec: QualitySpec) -> dict[str, Limit]:
    """Return the limits of `spec` to change, by name: at most 3 % of the good cases exceed each.

    More failed checks than any good case has, and more than `USUAL_DOUBTS`, lead to reject.

    Raises:
        CalibrationError: there is no good case.
    """
    good = [case for case in cases if case.dsc >= GOOD_DSC]
    if not good:
        raise CalibrationError(
            f"none of {len(cases)} cases reaches DSC {GOOD_DSC}: the model is too weak to calibrate; train it longer"
        )
    above = {name: _find_limit(good, name, 1 - FALSE_ALARMS, spec) for name in MUCH_IS_BAD}
    limits = above | {name: _find_limit(good, name, FALSE_ALARMS, spec) for name in LITTLE_IS_BAD}
    judged = spec.model_copy(update=limits)
    most = max(USUAL_DOUBTS, *(count_mask_doubts(case.numbers, judged) for case in good))
    return limits | {"mask_doubts": spec.mask_doubts.model_copy(update={"reject": float(most)})}


def _find_limit(good: Sequence[JudgedCase], name: str, quantile: float, spec: QualitySpec) -> Limit:
    values = [value for case in good if (value := getattr(case.numbers, name)) is not None]
    current: Limit = getattr(spec, name)
    if not values:
        return current
    return current.model_copy(update={"review": round(float(np.quantile(values, quantile)), DIGITS)})


def select_measured(cases: Sequence[JudgedCase], spec: QualitySpec) -> list[JudgedCase]:
    """Return the cases with a volume, which the verdict reject has not."""
    return [case for case in cases if assess(case.numbers, case.volume_ml, spec).verdict != "reject"]


def check_calibration(
    cases: Sequence[JudgedCase], spec: QualitySpec, interval: VolumeInterval | None = None
) -> Calibration:
    """Count the flagged cases among the good and the bad ones; `interval` is the model's, where it follows the case."""
    judged = [
        assess(
            case.numbers,
            case.volume_ml,
            spec,
            half_width_percent=None if interval is None else interval.find_half_width_percent(case.numbers),
        )
        for case in cases
    ]
    flagged = [assessment.verdict != "ok" for assessment in judged]
    good = [flag for case, flag in zip(cases, flagged, strict=True) if case.dsc >= GOOD_DSC]
    bad = [flag for case, flag in zip(cases, flagged, strict=True) if case.dsc < BAD_DSC]
    return Calibration(cases=len(cases), good=len(good), good_flagged=sum(good), bad=len(bad), bad_flagged=sum(bad))
