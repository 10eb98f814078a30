"""What each kind of randomisation buys: one recipe trained whole and once without each kind.

Measured on ordinary test scans and on shifted ones, whose look and family no training case has: what helps there is
what a clinic's own scanner will need.
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
    measured_cases,
    shown,
)
from training.cases.sources import CaseSource
from training.config.training import TrainingConfig
from training.evaluation.markdown import markdown_table
from training.evaluation.statistics.paired import PairedDifference, mean_by_case, paired_difference
from training.evaluation.torch_segmenter import TorchSegmenter
from training.fitting.loop import pick_device
from training.paper.measure import Progress
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
"""Each kind, and what of the augmentation is off without it."""
PARTS = ("test", "shifted")


class WithoutKind(BaseModel):
    """Mean DSC of the recipe without one kind, on both parts, and the differences to the whole recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    left_out: str
    dsc: dict[str, float]
    difference: dict[str, PairedDifference]


@dataclass(frozen=True)
class Randomisation:
    """The recipe, where its runs and scans lie, and how many test scans of which voxel size (mm) measure it."""

    config: TrainingConfig
    root: Path
    cases: int
    spacing: float

    def fit(self, source: CaseSource) -> Iterator[str]:
        """Train what is not finished, resuming; yields what each finished run leaves out."""
        for kind in (None, *LEFT_OUT):
            fit_recipe(self._recipe(kind), source, self._folder(kind))
            yield kind or FULL

    def evaluate(self, progress: Progress) -> tuple[dict[str, float], list[WithoutKind]]:
        """Mean DSC of the whole recipe by part, and of the recipe without each kind."""
        full = self._measured(None, progress)
        found = []
        for kind in LEFT_OUT:
            without = self._measured(kind, progress)
            found.append(
                WithoutKind(
                    left_out=kind,
                    dsc=_means(without),
                    difference={part: paired_difference(without[part], full[part]) for part in PARTS},
                )
            )
        return _means(full), found

    def _measured(self, kind: str | None, progress: Progress) -> dict[str, Mapping[int, float]]:
        """DSC by part and seed."""
        folder = self._folder(kind)
        segment = TorchSegmenter.of_run(folder, pick_device(self.config.runtime.device))
        found: dict[str, Mapping[int, float]] = {}
        for part in PARTS:
            scans = [request_for(part, number, self.spacing) for number in range(self.cases)]
            journal = folder / "evaluation" / f"{part}.jsonl"
            results = measured_cases(segment, scans, journal, self.root / "cases", progress)
            found[part] = mean_by_case([results], "dsc")
        return found

    def _recipe(self, kind: str | None) -> TrainingConfig:
        if kind is None:
            return self.config
        augmentation = self.config.augmentation.model_copy(update=dict(LEFT_OUT[kind]))
        return self.config.model_copy(update={"augmentation": augmentation})

    def _folder(self, kind: str | None) -> Path:
        return self.root / (FULL if kind is None else "without_" + kind.replace(",", "").replace(" ", "_"))


def _means(by_part: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
    return {part: float(np.mean(list(values.values()))) for part, values in by_part.items()}


def table(full: Mapping[str, float], found: list[WithoutKind]) -> str:
    """The findings as Markdown, per cent."""
    header = ("left out", "DSC, test", "difference [95 % CI]", "DSC, shifted", "difference [95 % CI]", "p, shifted")
    rows = [["nothing", f"{100 * full['test']:.2f}", "", f"{100 * full['shifted']:.2f}", "", ""]]
    for one in found:
        cells = [cell for part in PARTS for cell in (f"{100 * one.dsc[part]:.2f}", shown(one.difference[part]))]
        rows.append([one.left_out, *cells, f"{one.difference['shifted'].p:.3g}"])
    return markdown_table(header, rows)
