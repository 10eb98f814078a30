"""Reproducibility: the same fetus scanned several times, how much the measured volume varies (paper section 3.4)."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from training.evaluation.cases import CaseResult

MIN_VIEWS = 2


class Reproducibility(BaseModel):
    """Spread of repeated measurements; volumes in mL, SD with n - 1 unless `population` says n.

    `wcv_percent` is the within-subject coefficient of variation, `repeatability_coefficient_ml` 2.77 times the
    within-subject SD, `icc` the one-way ICC(1,1) of single measurements (McGraw and Wong 1996).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    groups: int
    views: int
    mean_sd_ml: float
    min_sd_ml: float
    max_sd_ml: float
    mean_sd_population_ml: float
    within_subject_sd_ml: float
    wcv_percent: float
    repeatability_coefficient_ml: float
    icc: float
    truth_mean_sd_ml: float | None = None


def reproducibility(results: Sequence[CaseResult]) -> Reproducibility:
    """Summarise repeated measurements, grouped by subject; ValueError unless all have the same number of views."""
    subjects = sorted({r.subject_seed for r in results if r.subject_seed is not None})
    rows = [[r for r in results if r.subject_seed == subject] for subject in subjects]
    found = spread([[r.measured_ml for r in row] for row in rows])
    true = np.array([[r.true_ml for r in row] for row in rows])  # (groups, views)
    return found.model_copy(update={"truth_mean_sd_ml": float(true.std(axis=1, ddof=1).mean())})


def spread(groups: Sequence[Sequence[float]]) -> Reproducibility:
    """Summarise volumes (mL) by subject; ValueError unless 2 or more have the same number of views, 2 or more."""
    if len(groups) < MIN_VIEWS or len({len(g) for g in groups}) != 1 or len(groups[0]) < MIN_VIEWS:
        counts = sorted({len(group) for group in groups})
        raise ValueError(f"reproducibility needs 2 or more subjects with as many views each (2 or more), got {counts}")
    measured = np.array(groups, dtype=float)  # (groups, views)
    sd = measured.std(axis=1, ddof=1)
    within = float(np.sqrt((sd**2).mean()))
    return Reproducibility(
        groups=measured.shape[0],
        views=measured.shape[1],
        mean_sd_ml=float(sd.mean()),
        min_sd_ml=float(sd.min()),
        max_sd_ml=float(sd.max()),
        mean_sd_population_ml=float(measured.std(axis=1, ddof=0).mean()),
        within_subject_sd_ml=within,
        wcv_percent=float(100 * np.sqrt(((sd / measured.mean(axis=1)) ** 2).mean())),
        repeatability_coefficient_ml=2.77 * within,
        icc=_icc(measured),
    )


def complete_groups(results: Sequence[CaseResult]) -> list[CaseResult]:
    """Leave out subjects whose last view is not measured yet."""
    views = Counter(r.subject_seed for r in results)
    most = max(views.values(), default=0)
    return [r for r in results if views[r.subject_seed] == most]


def _icc(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """One-way random ICC(1,1) of values (groups, views)."""
    groups, views = values.shape
    means = values.mean(axis=1)
    between = views * float(((means - values.mean()) ** 2).sum()) / (groups - 1)
    within = float(((values - means[:, None]) ** 2).sum()) / (groups * (views - 1))
    return (between - within) / (between + (views - 1) * within)
