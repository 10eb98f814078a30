"""Ablation of the domain randomisation: one recipe trained in full and once without each kind of it.

Measured on ordinary test scans and on shifted ones, whose look and family no training case has: what helps there is
what another scanner will need.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from training.ablation.recipes import (
    FULL,
    fit_recipe,
    format_difference,
    measure_cases,
)
from training.cases.sources import CaseSource
from training.config.training import TrainingConfig
from training.evaluation.markdown import markdown_table
from training.evaluation.statistics.paired import PairedDifference, average_by_case, compare_paired
from training.evaluation.torch_segmenter import TorchSegmenter
from training.fitting.job import pick_device
from training.fitting.run_folder import RunFolder
from training.paper.measure import ShowProgress
from training.phantom.cohort import request_for

LEFT_OUT: dict[str, Mapping[str, Any]] = {
    "everything": {"enabled": False},
    "poses and sizes": {
        "flip": False,
        "half_turns": False,
        "rotation_probability": 0.0,
        "scale": (1.0, 1.0),
        "anisotropy": 0.0,
        "translation_mm": 0.0,
    },
    "grey values": {
        "contrast_probability": 0.0,
        "gain_probability": 0.0,
        "blur_probability": 0.0,
        "noise_probability": 0.0,
        "speckle_probability": 0.0,
    },
    "shadows, gaps and crops": {
        "shadow_probability": 0.0,
        "erase_probability": 0.0,
        "crop_probability": 0.0,
        "close_crop_probability": 0.0,
        "band_probability": 0.0,
    },
    "painted volumes": {"synthesis_probability": 0.0},
}
"""For each kind, the settings of the augmentation that are off without it."""
PARTS = ("test", "shifted")


class WithoutKind(BaseModel):
    """Mean DSC of the recipe without one kind, on both parts, and the differences to the full recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    left_out: str
    dsc: dict[str, float]
    difference: dict[str, PairedDifference]


@dataclass(frozen=True)
class RandomisationAblation:
    """One recipe, trained in full and once without each kind; `root` holds the runs and the scans, `spacing` is mm."""

    config: TrainingConfig
    root: Path
    cases: int
    spacing: float

    def fit(self, source: CaseSource) -> Iterator[str]:
        """Train what is not finished, resuming; yield what each finished run leaves out."""
        for kind in (None, *LEFT_OUT):
            fit_recipe(self._make_recipe(kind), source, self._locate(kind))
            yield kind or FULL

    def evaluate(self, progress: ShowProgress) -> tuple[dict[str, float], list[WithoutKind]]:
        """Return the mean DSC of the full recipe by part, and the results without each kind."""
        full = self._measure(None, progress)
        found = []
        for kind in LEFT_OUT:
            without = self._measure(kind, progress)
            found.append(
                WithoutKind(
                    left_out=kind,
                    dsc=_average_parts(without),
                    difference={part: compare_paired(without[part], full[part]) for part in PARTS},
                )
            )
        return _average_parts(full), found

    def _measure(self, kind: str | None, progress: ShowProgress) -> dict[str, Mapping[int, float]]:
        """Measure the DSC by part and seed."""
        folder = self._locate(kind)
        segment = TorchSegmenter.of_run(folder, pick_device(self.config.runtime.device))
        found: dict[str, Mapping[int, float]] = {}
        for part in PARTS:
            scans = [request_for(part, number, self.spacing) for number in range(self.cases)]
            journal = folder.journal(part)
            results = measure_cases(segment, scans, journal, self.root / "cases", progress)
            found[part] = average_by_case([results], "dsc")
        return found

    def _make_recipe(self, kind: str | None) -> TrainingConfig:
        if kind is None:
            return self.config
        augmentation = self.config.augmentation.model_copy(update=dict(LEFT_OUT[kind]))
        return self.config.model_copy(update={"augmentation": augmentation})

    def _locate(self, kind: str | None) -> RunFolder:
        return RunFolder(self.root / (FULL if kind is None else "without_" + kind.replace(",", "").replace(" ", "_")))


def _average_parts(by_part: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
    return {part: float(np.mean(list(values.values()))) for part, values in by_part.items()}


def format_table(full: Mapping[str, float], found: list[WithoutKind]) -> str:
    """Return the results as a Markdown table, per cent."""
    header = ("left out", "DSC, test", "difference [95 % CI]", "DSC, shifted", "difference [95 % CI]", "p, shifted")
    rows = [["nothing", f"{100 * full['test']:.2f}", "", f"{100 * full['shifted']:.2f}", "", ""]]
    for one in found:
        cells = [
            cell for part in PARTS for cell in (f"{100 * one.dsc[part]:.2f}", format_difference(one.difference[part]))
        ]
        rows.append([one.left_out, *cells, f"{one.difference['shifted'].p:.3g}"])
    return markdown_table(header, rows)
