"""Runs that train on a folder of one's own; what measures such a folder needs none of the tools of training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from training.config.training import TrainingConfig
from training.export.rules import KeptChange, keep_rules, read_threshold
from training.export.weights import load_weights
from training.fitting.run_folder import RunFolder
from training.own_data.averaging import Beginning, ShownCases, average_run
from training.own_data.dataset import OwnData
from training.own_data.fitting import continue_preset, fit_own, number_cases
from training.own_data.folder import OwnCases


@dataclass(frozen=True)
class OwnRun:
    """A run and the folder of one's own that it learns from."""

    own: OwnData
    run: RunFolder

    def fit(self, config: TrainingConfig, levels: tuple[int, ...], resume: bool) -> None:
        """Train from scratch."""
        fit_own(config, self.own.split_cases(), self.run, levels, resume)

    def fine_tune(self, config: TrainingConfig, start: str, store: Path, resume: bool, shown: ShownCases) -> KeptChange:
        """Train a published model, or a run, further; keep as much of that as is best on the validation cases."""
        weights = load_weights(start, store)
        split, levels = self.own.split_cases(), tuple(range(1, len(weights) + 1))
        keep_rules(start, store, self.run)
        fit_own(continue_preset(config, weights), split, self.run, levels, resume, weights)
        return average_run(self.run, Beginning(weights, read_threshold(start, store)), split.validation, shown)


def open_source(folder: Path, run: RunFolder) -> OwnCases:
    """Return the cases of a folder as this run numbered them."""
    return OwnCases(number_cases(OwnData(folder, run.split if run.split.is_file() else None).split_cases()))
