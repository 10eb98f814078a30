"""Leaving one look, or one family of heads, out of training: how a recipe does on what it never saw."""

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
    measured_cases,
    shown,
)
from training.cases.sources import CaseSource, allowed
from training.config.training import TrainingConfig
from training.evaluation.cases import CaseResult
from training.evaluation.markdown import markdown_table
from training.evaluation.statistics.paired import SeededDifference, mean_by_case, seeded_difference
from training.evaluation.torch_segmenter import TorchSegmenter
from training.fitting.loop import pick_device
from training.paper.measure import Progress
from training.phantom import SimulationRequest
from training.phantom.cohort import request_for
from training.phantom.looks import TRAINING_LOOKS
from training.phantom.scene import TRAINING_FAMILIES

Kind = Literal["look", "family"]
Run = Sequence[CaseResult]
SEED_STEP = 1000
VALUES: dict[Kind, tuple[str, ...]] = {"look": TRAINING_LOOKS, "family": TRAINING_FAMILIES}


class LeftOut(BaseModel):
    """Test scans of one kind, by the whole recipe and by the recipe that never saw this kind; over seeds.

    DSC as fractions; volume errors are means of the absolute ones, in per cent; differences are left out minus full.
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
class LeaveOut:
    """One recipe, trained whole and once without each value of a kind; `root` holds the runs and the scans.

    Each learns from as many patients as the value that most patients have leaves: what is missed is the kind alone.
    """

    config: TrainingConfig
    kind: Kind
    root: Path
    cases: int
    spacing: float
    seeds: int = 1
    """How often each is trained, from seeds of its own."""

    def fit(self, source: CaseSource) -> Iterator[str]:
        """Train what is not finished, resuming; yields each run's name when it is done."""
        most = self._fewest(source)
        for number in range(self.seeds):
            for name in (FULL, *VALUES[self.kind]):
                folder = self._folder(name, number)
                fit_recipe(self._recipe(name, most, number), source, folder)
                yield folder.name

    def evaluate(self, progress: Progress) -> list[LeftOut]:
        """Measure both recipes on the test scans of each value."""
        found = []
        for value in VALUES[self.kind]:
            out, full = (self._measured(name, value, progress) for name in (value, FULL))
            found.append(self._compared(value, out, full))
        return found

    def _compared(self, value: str, out: Sequence[Run], full: Sequence[Run]) -> LeftOut:
        dsc_out, dsc_full = (_by_case(runs, "dsc") for runs in (out, full))
        error_out, error_full = (_by_case(runs, "volume_error_percent") for runs in (out, full))
        return LeftOut(
            kind=self.kind,
            value=value,
            cases=self.cases,
            dsc_full=_mean(dsc_full),
            dsc_left_out=_mean(dsc_out),
            difference=seeded_difference(dsc_out, dsc_full, shared_seeds=False),
            volume_error_full_percent=_mean(error_full),
            volume_error_left_out_percent=_mean(error_out),
            volume_error_difference=seeded_difference(error_out, error_full, shared_seeds=False),
        )

    def _measured(self, name: str, value: str, progress: Progress) -> list[Run]:
        """Every case of each seed's run on the scans of a value."""
        found: list[Run] = []
        for folder in (self._folder(name, number) for number in range(self.seeds)):
            segment = TorchSegmenter.of_run(folder, pick_device(self.config.runtime.device))
            journal = folder / "evaluation" / f"{self.kind}_{value}.jsonl"
            found.append(measured_cases(segment, self._scans(value), journal, self.root / "cases" / value, progress))
        return found

    def _fewest(self, source: CaseSource) -> tuple[int, ...]:
        """Of each level's patients the number that is left whichever value is left out."""
        left = [allowed(source, self._recipe(value, (), 0).data).seeds() for value in VALUES[self.kind]]
        return tuple(min(sum(seed in cases for seed in seeds) for seeds in left) for cases in self.config.data.train)

    def _recipe(self, name: str, most: tuple[int, ...], number: int) -> TrainingConfig:
        field = "exclude_looks" if self.kind == "look" else "exclude_families"
        update: dict[str, object] = {"cases_at_most": most} | ({} if name == FULL else {field: (name,)})
        told = f"{self.config.name}-{'matched' if name == FULL else f'without-{name}'}"
        data, seed = self.config.data.model_copy(update=update), self.config.seed + SEED_STEP * number
        return self.config.model_copy(update={"data": data, "name": told, "seed": seed})

    def _folder(self, name: str, number: int) -> Path:
        folder = name if name == FULL else f"without_{name}"
        return self.root / (f"{folder}_seed_{number + 1}" if number else folder)

    def _scans(self, value: str) -> list[SimulationRequest]:
        """Test patients who all have this look, or this kind of head."""
        requests = (request_for("test", number, self.spacing) for number in range(self.cases))
        if self.kind == "look":
            return [replace(request, look=value) for request in requests]
        return [replace(request, family=value) for request in requests]


def _by_case(runs: Sequence[Run], metric: str) -> list[Mapping[int, float]]:
    return [mean_by_case([run], metric) for run in runs]


def _mean(runs: Sequence[Mapping[int, float]]) -> float:
    return float(np.mean([value for run in runs for value in run.values()]))


def table(found: list[LeftOut]) -> str:
    """The findings as Markdown."""
    header = (
        f"left out ({found[0].kind})",
        "DSC, all seen [%]",
        "DSC, never seen [%]",
        "difference [95 % interval]",
        "by seed",
        "mean volume error, all seen to never seen [%]",
        "difference [95 % interval]",
    )
    return markdown_table(header, map(_row, found))


def _row(one: LeftOut) -> tuple[str, ...]:
    return (
        one.value,
        f"{100 * one.dsc_full:.2f}",
        f"{100 * one.dsc_left_out:.2f}",
        shown(one.difference),
        ", ".join(f"{100 * value:+.1f}" for value in one.difference.by_seed),
        f"{one.volume_error_full_percent:.1f} to {one.volume_error_left_out_percent:.1f}",
        shown(one.volume_error_difference, factor=1),
    )
