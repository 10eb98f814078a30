"""Leaving one look, or one family of heads, out of training: how a recipe does on what it never saw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from training.benchmark.measure import Progress
from training.benchmark.recipes import FULL, fit_recipe, measured_dsc
from training.config import TrainingConfig
from training.data import CaseSource, allowed
from training.evaluation.comparison import PairedDifference, paired_difference
from training.evaluation.torch_segmenter import TorchSegmenter
from training.loop import pick_device
from training.phantom import SimulationRequest
from training.phantom.cohort import request_for
from training.phantom.looks import TRAINING_LOOKS
from training.phantom.scene import TRAINING_FAMILIES

Kind = Literal["look", "family"]
VALUES: dict[Kind, tuple[str, ...]] = {"look": TRAINING_LOOKS, "family": TRAINING_FAMILIES}


class LeftOut(BaseModel):
    """DSC on test scans of one kind, by the whole recipe and by the recipe that never saw this kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    value: str
    cases: int
    dsc_full: float
    dsc_left_out: float
    difference: PairedDifference


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

    def fit(self, source: CaseSource) -> Iterator[str]:
        """Train what is not finished, resuming; yields each run's name when it is done."""
        most = self._fewest(source)
        for name in (FULL, *VALUES[self.kind]):
            fit_recipe(self._recipe(name, most), source, self._folder(name))
            yield name

    def evaluate(self, progress: Progress) -> list[LeftOut]:
        """Measure both recipes on the test scans of each value."""
        device = pick_device(self.config.runtime.device)
        segmenters = {name: TorchSegmenter.of_run(self._folder(name), device) for name in (FULL, *VALUES[self.kind])}
        found = []
        for value in VALUES[self.kind]:
            scores = []
            for name in (value, FULL):
                journal = self._folder(name) / "evaluation" / f"{self.kind}_{value}.jsonl"
                cases = self.root / "cases" / value
                scores.append(measured_dsc(segmenters[name], self._scans(value), journal, cases, progress))
            out, full = scores
            found.append(
                LeftOut(
                    kind=self.kind,
                    value=value,
                    cases=self.cases,
                    dsc_full=float(np.mean(list(full.values()))),
                    dsc_left_out=float(np.mean(list(out.values()))),
                    difference=paired_difference(out, full),
                )
            )
        return found

    def _fewest(self, source: CaseSource) -> tuple[int, ...]:
        """Of each level's patients the number that is left whichever value is left out."""
        left = [allowed(source, self._recipe(value, ()).data).seeds() for value in VALUES[self.kind]]
        return tuple(min(sum(seed in cases for seed in seeds) for seeds in left) for cases in self.config.data.train)

    def _recipe(self, name: str, most: tuple[int, ...]) -> TrainingConfig:
        field = "exclude_looks" if self.kind == "look" else "exclude_families"
        update: dict[str, object] = {"cases_at_most": most} | ({} if name == FULL else {field: (name,)})
        told = f"{self.config.name}-{'matched' if name == FULL else f'without-{name}'}"
        return self.config.model_copy(update={"data": self.config.data.model_copy(update=update), "name": told})

    def _folder(self, name: str) -> Path:
        return self.root / (name if name == FULL else f"without_{name}")

    def _scans(self, value: str) -> list[SimulationRequest]:
        """Test patients who all have this look, or this kind of head."""
        requests = (request_for("test", number, self.spacing) for number in range(self.cases))
        if self.kind == "look":
            return [replace(request, look=value) for request in requests]
        return [replace(request, family=value) for request in requests]


def table(found: list[LeftOut]) -> str:
    """The findings as Markdown."""
    lines = [
        f"| left out ({found[0].kind}) | DSC, all seen [%] | DSC, never seen [%] | difference [95 % interval] | p |",
        "|---|---:|---:|---:|---:|",
    ]
    for one in found:
        low, high = (100 * value for value in one.difference.ci95)
        lines.append(
            f"| {one.value} | {100 * one.dsc_full:.2f} | {100 * one.dsc_left_out:.2f} | "
            f"{100 * one.difference.mean:+.2f} [{low:+.2f}, {high:+.2f}] | {one.difference.p:.3g} |"
        )
    return "\n".join(lines)
