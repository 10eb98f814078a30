"""The summary of a comparison: the paper's metrics, agreement of volumes, and coverage of the interval."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from app.comparison.case import ComparedCase
from app.contract.value import VERDICTS, Value, Verdict
from app.statistics.agreement import MIN_CASES, Agreement, measure_agreement
from app.statistics.coverage import Coverage, measure_coverage
from app.statistics.summary import MetricSummary, summarise_known

OF_MASKS = ("dsc", "jaccard", "conformity", "average_distance_mm", "hausdorff_distance_mm")


class NotCompared(Value):
    """A case that could not be compared, and why."""

    name: str
    problem: str


class ComparisonSummary(Value):
    """The summary as in summary.json; overlap and distances are of every compared case, errors of those with a volume.

    `volume_error_percent` is the absolute error; `agreement` is None below two volumes; `file_sha256` are the hashes of
    the files beside it.
    """

    cases: int
    without_mask: int
    not_compared: tuple[NotCompared, ...] = ()
    verdicts: dict[Verdict, int]
    dsc: MetricSummary | None
    jaccard: MetricSummary | None
    conformity: MetricSummary | None
    average_distance_mm: MetricSummary | None
    hausdorff_distance_mm: MetricSummary | None
    volume_error_percent: MetricSummary | None
    agreement: Agreement | None
    interval_held: Coverage | None
    file_sha256: dict[str, str] = Field(default_factory=dict)


def summarise_cases(cases: Sequence[ComparedCase]) -> ComparisonSummary:
    """Summarise the compared cases, and list those that could not be compared."""
    compared = [case for case in cases if case.state == "compared"]
    errors = [None if case.error_percent is None else abs(case.error_percent) for case in compared]
    return ComparisonSummary(
        cases=len(compared),
        without_mask=sum(case.state == "no_mask" for case in cases),
        not_compared=tuple(
            NotCompared(name=case.name, problem=case.problem or "") for case in cases if case.state == "failed"
        ),
        verdicts={verdict: sum(case.verdict == verdict for case in compared) for verdict in VERDICTS},
        **{name: summarise_known([getattr(case, name) for case in compared]) for name in OF_MASKS},
        volume_error_percent=summarise_known(errors),
        agreement=_measure_agreement(compared),
        interval_held=measure_coverage([case.interval_held for case in compared if case.interval_held is not None]),
    )


def find_volumes(cases: Sequence[ComparedCase]) -> list[tuple[float, float, Verdict]]:
    """Return measured volume, true volume (mL) and verdict of the cases that have both volumes."""
    return [
        (case.head_volume_ml, case.true_volume_ml, case.verdict)
        for case in cases
        if case.head_volume_ml is not None and case.true_volume_ml is not None and case.verdict is not None
    ]


def _measure_agreement(cases: Sequence[ComparedCase]) -> Agreement | None:
    volumes = find_volumes(cases)
    if len(volumes) < MIN_CASES:
        return None
    return measure_agreement([measured for measured, _, _ in volumes], [true for _, true, _ in volumes])
