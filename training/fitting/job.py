"""What training one context level is given."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property

import torch

from app.imaging.preprocess import PreprocessingSpec
from training.cases.sources import CaseSource
from training.config.training import LevelConfig, Stage, TrainingConfig
from training.fitting.run_folder import LevelFolder
from training.networks.cascade import AutoContextCascade


@dataclass(frozen=True)
class LevelJob:
    """What to train: the level's number, its cases, the frozen levels below it and where to write."""

    config: TrainingConfig
    context_level: int
    source: CaseSource
    below: AutoContextCascade | None  # None for level 1
    folder: LevelFolder
    initial: dict[str, torch.Tensor] | None = None

    @property
    def level(self) -> LevelConfig:
        """The grid, the region and the stages of this level."""
        return self.config.level[self.context_level - 1]

    @cached_property
    def device(self) -> torch.device:
        """Where it is trained."""
        return pick_device(self.config.runtime.device)

    def stage(self, fraction: float) -> Stage:
        """Return the stage of coarse to fine at a fraction of the budget, the last one at its end."""
        stages = self.level.stage
        return next((stage for stage in stages if fraction < stage.until), stages[-1])

    def spec(self, stage: Stage) -> PreprocessingSpec:
        """Return the preprocessing of a stage: serving's, at the stage's spacing."""
        return self.config.preprocessing.model_copy(update={"spacing_mm": stage.spacing_mm})

    def autocast(self) -> AbstractContextManager[object]:
        """Compute in bfloat16 where the configuration asks for it."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.runtime.bf16)


def pick_device(name: str) -> torch.device:
    """Return the device of a name; "auto" takes a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
