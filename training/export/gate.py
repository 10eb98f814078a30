"""The gate before a model store: a model that is worse than the active one on the locked test cases stays out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from training.evaluation.report import Evaluation, EvaluationSection
from training.evaluation.statistics.paired import compare_paired
from training.export.errors import ExportError

FORCE = "or publish it all the same with --force"
MEASURE = "fetalhead-train evaluate"
FEWEST_PAIRED = 2


class WorseModelError(ExportError):
    """The candidate is worse than the active model, or nobody can tell."""


def require_no_worse(candidate: Evaluation | None, active: Evaluation | None, version: int) -> str:
    """Compare the mean DSC on the active version's test cases; return the finding, or raise WorseModelError."""
    if active is None or active.test is None:
        raise WorseModelError(
            f"version {version} has no evaluation to compare with; measure it on the same cases "
            f"(`{MEASURE} --version {version} --out OUT`), name --baseline OUT/evaluation.json, {FORCE}"
        )
    if candidate is None or candidate.test is None:
        raise WorseModelError(f"the candidate was not measured on the test cases; run `{MEASURE}`, {FORCE}")
    own, locked = candidate.test, active.test
    cases = _find_common_cases(own, locked, version)
    ours = float(np.mean([own.dsc_by_case[case] for case in cases]))
    difference = ours - locked.dsc.mean
    text = (
        f"DSC {ours:.4f} against {locked.dsc.mean:.4f} of version {version} on the same {locked.cases} test cases "
        f"({difference:+.4f}{_compare_paired(own.dsc_by_case, locked.dsc_by_case)}); {_volumes(own, locked)}"
    )
    if difference < 0:
        raise WorseModelError(f"the candidate is worse: {text}; train it further, {FORCE}")
    return text


def _find_common_cases(own: EvaluationSection, locked: EvaluationSection, version: int) -> list[str]:
    """Return the active version's test cases, by name or seed; raise WorseModelError where the candidate lacks one."""
    wanted = list(locked.dsc_by_case) or _range(locked.seeds)
    missing = [case for case in wanted if case not in own.dsc_by_case]
    if missing or len(wanted) != locked.cases:
        raise WorseModelError(
            f"the candidate was not measured on {len(missing)} of the {locked.cases} test cases of version {version} "
            f"({locked.seeds}), such as {missing[0] if missing else wanted[0]}; measure both on the same cases and "
            f"name the active model's evaluation with --baseline, {FORCE}"
        )
    return wanted


def _range(seeds: str) -> list[str]:
    first, _, last = seeds.partition("-")
    return [str(n) for n in range(int(first), int(last) + 1)] if first.isdecimal() and last.isdecimal() else []


def _compare_paired(own: Mapping[str, float], locked: Mapping[str, float]) -> str:
    """Say how both differ on common cases: the interval of the mean difference, in how many cases it is lower."""
    common = sorted(own.keys() & locked.keys())
    if len(common) < FEWEST_PAIRED:
        return ""
    low, high = compare_paired(own, locked).ci95
    lower = sum(own[case] < locked[case] for case in common)
    return f", 95 % interval {low:+.4f} to {high:+.4f} by bootstrap over cases, lower in {lower} of them"


def _volumes(own: EvaluationSection, locked: EvaluationSection) -> str:
    """Say the mean absolute error and bias of the volumes, and how much they changed."""
    error, before = own.volume_error_percent.mean, locked.volume_error_percent.mean
    changed = abs(own.volume_bias_ml) - abs(locked.volume_bias_ml)
    return (
        f"mean absolute volume error {error:.2f} % against {before:.2f} % ({error - before:+.2f}), bias "
        f"{own.volume_bias_ml:+.1f} mL against {locked.volume_bias_ml:+.1f} mL ({changed:+.1f} in size)"
    )
