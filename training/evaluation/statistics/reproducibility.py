"""Reproducibility: the variation of the measured volume over several scans of the same fetus (paper section 3.4)."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from app.contract.value import Value
from training.evaluation.cases import CaseResult, find_spacing_range
from training.evaluation.statistics import intraclass

MIN_VIEWS = 2


class Reproducibility(Value):
    """The spread of repeated measurements; volumes in mL, SD with n - 1, or with n where the name has `population`.

    `wcv_percent` is the within-subject coefficient of variation of subjects whose head was found,
    `repeatability_coefficient_ml` 2.77 times the within-subject SD. `icc` is the one-way ICC(1,1) of single
    measurements, `icc_agreement` ICC(A,1) where the n-th scan of every subject was made in the same way (McGraw and
    Wong 1996); both with 95 % intervals, None where undefined. `spacing_mm` are the smallest and the largest voxel
    edge, `left_out` the subjects that were left out and why.
    """

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
    icc_ci95: tuple[float, float] | None = None
    icc_agreement: float | None = None
    icc_agreement_ci95: tuple[float, float] | None = None
    truth_mean_sd_ml: float | None = None
    spacing_mm: tuple[float, float] | None = None
    left_out: tuple[str, ...] = ()
    command: str = ""


def summarise_reproducibility(results: Sequence[CaseResult]) -> Reproducibility:
    """Summarise repeated measurements, grouped by subject.

    A subject's views, in the order of their seeds, are the same directions for every subject.

    Raises:
        ValueError: the subjects differ in their numbers of views.
    """
    subjects = sorted({r.subject_seed for r in results if r.subject_seed is not None})
    ordered = sorted(results, key=lambda r: r.seed)
    rows = [[r for r in ordered if r.subject_seed == subject] for subject in subjects]
    volumes = [[r.measured_ml for r in row] for row in rows]
    found = summarise_spread(volumes)
    true = np.array([[r.true_ml for r in row] for row in rows])  # (groups, views)
    same_ways = intraclass.agreement(np.array(volumes, dtype=float))
    return found.model_copy(
        update={
            "truth_mean_sd_ml": float(true.std(axis=1, ddof=1).mean()),
            "icc_agreement": same_ways and same_ways.value,
            "icc_agreement_ci95": same_ways and same_ways.ci95,
            "spacing_mm": find_spacing_range(results),
        }
    )


def summarise_spread(groups: Sequence[Sequence[float]]) -> Reproducibility:
    """Summarise volumes (mL) by subject.

    Raises:
        ValueError: there are fewer than 2 subjects or views, their numbers of views differ, or all volumes are equal.
    """
    if len(groups) < MIN_VIEWS or len({len(g) for g in groups}) != 1 or len(groups[0]) < MIN_VIEWS:
        counts = sorted({len(group) for group in groups})
        raise ValueError(f"reproducibility needs 2 or more subjects with as many views each (2 or more), got {counts}")
    measured = np.array(groups, dtype=float)  # (groups, views)
    sd, means = measured.std(axis=1, ddof=1), measured.mean(axis=1)
    seen = means > 0
    within = float(np.sqrt((sd**2).mean()))
    correlation = intraclass.one_way(measured)
    if correlation is None:
        raise ValueError(f"every scan measures {measured.flat[0]:g} mL; reproducibility needs volumes that differ")
    return Reproducibility(
        groups=measured.shape[0],
        views=measured.shape[1],
        mean_sd_ml=float(sd.mean()),
        min_sd_ml=float(sd.min()),
        max_sd_ml=float(sd.max()),
        mean_sd_population_ml=float(measured.std(axis=1, ddof=0).mean()),
        within_subject_sd_ml=within,
        wcv_percent=float(100 * np.sqrt(((sd[seen] / means[seen]) ** 2).mean())),
        repeatability_coefficient_ml=2.77 * within,
        icc=correlation.value,
        icc_ci95=correlation.ci95,
    )


def select_complete_groups(results: Sequence[CaseResult]) -> tuple[list[CaseResult], tuple[str, ...]]:
    """Return the views of subjects that have the full number, and the subjects that were left out for having fewer."""
    views = Counter(r.subject_seed for r in results)
    most = max(views.values(), default=0)
    missing = sorted((subject or 0, number) for subject, number in views.items() if number < most)
    left_out = tuple(f"subject {subject}: {number} of {most} views measured" for subject, number in missing)
    return [r for r in results if views[r.subject_seed] == most], left_out
