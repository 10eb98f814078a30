"""What training one context level is given, and how far it has come."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from training.cases.sources import CaseSource
from training.config.training import TrainingConfig
from training.fitting.run_folder import LevelFolder
from training.networks.cascade import AutoContextCascade


@dataclass
class Progress:
    """How far a level has come; stored with each checkpoint."""

    step: int = 0
    spent_s: float = 0.0
    validation_dsc: float | None = None
    seen: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class LevelJob:
    """What to train: the level's number, its cases, the frozen levels below it and where to write."""

    config: TrainingConfig
    context_level: int
    source: CaseSource
    wanted: Callable[[int], bool]
    below: AutoContextCascade | None  # None for level 1
    folder: LevelFolder
    initial: dict[str, torch.Tensor] | None = None
