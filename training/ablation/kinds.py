"""Ablation of one look, or one family of heads: the accuracy of a recipe on a kind of case that it never saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from training.ablation.recipes import (
    FULL,
    fit_recipe,
    format_difference,
    measure_cases,
)
from training.cases.sources import CaseSource, filter_cases
from training.config.training import TrainingConfig
from training.evaluation.cases import CaseResult
from training.evaluation.markdown import markdown_table
from training.evaluation.statistics.paired import SeededDifference, average_by_case, compare_seeded
from training.evaluation.torch_segmenter import TorchSegmenter
from training.fitting.job import pick_device
from training.fitting.run_folder import RunFolder
from training.paper.measure import ShowProgress
from training.phantom import SimulationRequest
from training.phantom.cohort import request_for
from training.phantom.looks import TRAINING_LOOKS
from training.phantom.scene import TRAINING_FAMILIES

Kind = Literal["look", "family"]
Results = Sequence[CaseResult]
SEED_STEP = 1000
VALUES: dict[Kind, tuple[str, ...]] = {"look": TRAINING_LOOKS, "family": TRAINING_FAMILIES}


class AblationResult(BaseModel):
    """The accuracy on test scans of one kind with the full recipe and with the one that never saw it, over seeds.

    DSC as fractions; volume errors are means of absolute ones, in per cent; differences are left out minus full.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    value: str
    cases: int
    dsc_full: float
    dsc_left_out: float
    difference: SeededDifference
    volume_error_full_percent: float
    volume_error_left_out_percent: float
    volume_error_difference: SeededDifference


@dataclass(frozen=True)
class KindAblation:
    """One recipe, trained in full and once without each value of a kind; `root` holds the runs and the scans.

    Each run learns from as many patients as remain without the most frequent value, so that only the kind differs.
    """

    config: TrainingConfig
    kind: Kind
    root: Path
    cases: int
    spacing: float
    seeds: int = 1
    """The number of trainings of each recipe, each from its own seed."""

    def fit(self, source: CaseSource) -> Iterator[str]:
        """Train what is not finished, resuming; yield each run's name when it is done."""
        most = self._count_fewest(source)
        for number in range(self.seeds):
            for name in (FULL, *VALUES[self.kind]):
                folder = self._locate(name, number)
                fit_recipe(self._make_recipe(name, most, number), source, folder)
                yield folder.path.name

    def evaluate(self, progress: ShowProgress) -> list[AblationResult]:
        """Measure both recipes on the test scans of each value."""
        found = []
        for value in VALUES[self.kind]:
            out, full = (self._measure(name, value, progress) for name in (value, FULL))
            found.append(self._compare(value, out, full))
        return found

    def _compare(self, value: str, out: Sequence[Results], full: Sequence[Results]) -> AblationResult:
        dsc_out, dsc_full = (_index_by_case(runs, "dsc") for runs in (out, full))
        error_out, error_full = (_index_by_case(runs, "volume_error_percent") for runs in (out, full))
        return AblationResult(
            kind=self.kind,
            value=value,
            cases=self.cases,
            dsc_full=_average(dsc_full),
            dsc_left_out=_average(dsc_out),
            difference=compare_seeded(dsc_out, dsc_full, shared_seeds=False),
            volume_error_full_percent=_average(error_full),
            volume_error_left_out_percent=_average(error_out),
            volume_error_difference=compare_seeded(error_out, error_full, shared_seeds=False),
        )

    def _measure(self, name: str, value: str, progress: ShowProgress) -> list[Results]:
        """Measure every case of each seed's run on the scans of a value."""
        found: list[Results] = []
        for folder in (self._locate(name, number) for number in range(self.seeds)):
            segment = TorchSegmenter.of_run(folder, pick_device(self.config.runtime.device))
            journal = folder.journal(f"{self.kind}_{value}")
            found.append(
                measure_cases(segment, self._list_scans(value), journal, self.root / "cases" / value, progress)
            )
        return found

    def _count_fewest(self, source: CaseSource) -> tuple[int, ...]:
        """Return, for each level, the smallest number of patients that remain without one of the values."""
        left = [filter_cases(source, self._make_recipe(value, (), 0).data).seeds() for value in VALUES[self.kind]]
        return tuple(min(sum(seed in cases for seed in seeds) for seeds in left) for cases in self.config.data.train)

    def _make_recipe(self, name: str, most: tuple[int, ...], number: int) -> TrainingConfig:
        field = "exclude_looks" if self.kind == "look" else "exclude_families"
        update: dict[str, object] = {"cases_at_most": most} | ({} if name == FULL else {field: (name,)})
        title = f"{self.config.name}-{'matched' if name == FULL else f'without-{name}'}"
        data, seed = self.config.data.model_copy(update=update), self.config.seed + SEED_STEP * number
        return self.config.model_copy(update={"data": data, "name": title, "seed": seed})

    def _locate(self, name: str, number: int) -> RunFolder:
        folder = name if name == FULL else f"without_{name}"
        return RunFolder(self.root / (f"{folder}_seed_{number + 1}" if number else folder))

    def _list_scans(self, value: str) -> list[SimulationRequest]:
        """Return test patients who all have this look, or this family of heads."""
        requests = (request_for("test", number, self.spacing) for number in range(self.cases))
        if self.kind == "look":
            return [replace(request, look=value) for request in requests]
        return [replace(request, family=value) for request in requests]


def _index_by_case(runs: Sequence[Results], metric: str) -> list[Mapping[int, float]]:
    return [average_by_case([run], metric) for run in runs]


def _average(runs: Sequence[Mapping[int, float]]) -> float:
    return float(np.mean([value for run in runs for value in run.values()]))


def format_table(found: list[AblationResult]) -> str:
    """Return the results as a Markdown table."""
    header = (
        f"left out ({found[0].kind})",
        "DSC, all seen [%]",
        "DSC, never seen [%]",
        "difference [95 % interval]",
        "by seed",
        "mean volume error, all seen to never seen [%]",
        "difference [95 % interval]",
    )
    return markdown_table(header, map(_format_row, found))


def _format_row(one: AblationResult) -> tuple[str, ...]:
    return (
        one.value,
        f"{100 * one.dsc_full:.2f}",
        f"{100 * one.dsc_left_out:.2f}",
        format_difference(one.difference),
        ", ".join(f"{100 * value:+.1f}" for value in one.difference.by_seed),
        f"{one.volume_error_full_percent:.1f} to {one.volume_error_left_out_percent:.1f}",
        format_difference(one.volume_error_difference, factor=1),
    )
