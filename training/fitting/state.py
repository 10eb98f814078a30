"""What changes from step to step of a training: everything that an exact continuation needs."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import numpy as np
import torch

from training.cases.anatomy import ANATOMY_CHANNELS
from training.config.training import TrainingConfig
from training.fitting.job import LevelJob
from training.fitting.losses import l2_as_weight_decay
from training.networks.architectures import build_network
from training.networks.cascade import ContextLevel

ANATOMY_HEAD = "head_anatomy"
"""In the names of its weights."""


@dataclass
class Progress:
    """How far a level has come."""

    step: int = 0
    spent_s: float = 0.0
    validation_dsc: float | None = None
    seen: set[int] = field(default_factory=set)


@dataclass
class TrainingState:
    """The level that learns, the moving average of its weights, the optimiser, the source of chance, the progress."""

    level: ContextLevel
    averaged: ContextLevel
    optimiser: torch.optim.Optimizer
    rng: np.random.Generator
    progress: Progress


def new_state(job: LevelJob) -> TrainingState:
    """Return the state before the first step: the job's initial weights, or fresh ones drawn from its seed."""
    config = job.config
    torch.set_num_threads(config.runtime.num_threads)
    torch.manual_seed(config.seed + job.context_level)
    level = new_level(config, job.context_level).to(job.device)
    if job.initial is not None:
        begin_with(level, job.initial)
    optimiser = torch.optim.Adam(
        level.parameters(),
        lr=config.optimiser.learning_rate,
        betas=(config.optimiser.beta1, config.optimiser.beta2),
        weight_decay=l2_as_weight_decay(config.loss.l2),
    )
    rng = np.random.default_rng([config.seed, job.context_level])
    return TrainingState(level, copy.deepcopy(level).eval(), optimiser, rng, Progress())


def new_level(config: TrainingConfig, context_level: int = 1) -> ContextLevel:
    """Return a level (1 the first) with fresh weights."""
    channels = ANATOMY_CHANNELS if config.level[context_level - 1].anatomy else 0
    return ContextLevel(build_network(config.network, channels))


def begin_with(level: ContextLevel, learned: dict[str, torch.Tensor]) -> None:
    """Load what another training learned; a head for anatomy that it did not have stays as it is."""
    own = level.state_dict()
    known = {name: value for name, value in learned.items() if name in own or ANATOMY_HEAD not in name}
    fresh = {name: value for name, value in own.items() if ANATOMY_HEAD in name}
    level.load_state_dict(fresh | known)
