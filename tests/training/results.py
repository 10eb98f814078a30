"""Results of single cases, made up and passed on."""

from training.evaluation.cases import CaseResult


def shown(results: object, total: int, title: str) -> list[CaseResult]:
    return list(results)  # type: ignore[call-overload, no-any-return]


def result(seed: int, measured: float = 210.0, verdict: str = "ok") -> CaseResult:
    return CaseResult(
        seed=seed,
        gestational_age_weeks=25.5,
        family="parametric",
        look="grainy",
        truncated=False,
        true_ml=200 + seed,
        measured_ml=measured,
        dsc=0.95,
        jaccard=0.9,
        conformity=0.89,
        adb_mm=0.8,
        hdb_mm=4.0,
        verdict=verdict,
        seconds=1,
    )
