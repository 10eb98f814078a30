"""One step of the optimiser."""

import math

import torch

from training.cases.augment import Sample
from training.config.training import OptimiserConfig
from training.fitting.job import LevelJob
from training.fitting.losses import anatomy_loss, deep_supervision_loss
from training.fitting.state import TrainingState


def take_step(job: LevelJob, state: TrainingState, sample: Sample, fraction: float) -> torch.Tensor:
    """Learn from one sample, at a fraction of the budget: forward, loss, backward, update; return the loss (scalar)."""
    config = job.config.optimiser
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate(config, fraction)
    state.level.train()
    with job.autocast():
        logits = state.level(sample.volume, sample.context)
    loss = deep_supervision_loss(logits, sample.truth, job.config.loss)
    if logits.anatomy is not None and sample.anatomy is not None:
        loss = loss + anatomy_loss(logits.anatomy, sample.anatomy, sample.truth, job.config.loss)
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if config.clip_norm:
        torch.nn.utils.clip_grad_norm_(state.level.parameters(), config.clip_norm)
    state.optimiser.step()
    update_average(state, config.ema_decay)
    return loss.detach()


def learning_rate(config: OptimiserConfig, fraction: float) -> float:
    """Return the rate at a fraction of the budget: linear warm-up, then constant or half a cosine down to 1 %."""
    if fraction < config.warmup:
        return config.learning_rate * max(0.01, fraction / config.warmup)
    if config.schedule == "constant":
        return config.learning_rate
    rest = (fraction - config.warmup) / (1 - config.warmup)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * rest)))


@torch.no_grad()
def update_average(state: TrainingState, most: float) -> None:
    """Update the exponential moving average of the weights, shorter at the start; decay 0 copies them."""
    step = state.progress.step
    decay = min(most, (1 + step) / (10 + step))
    average = state.averaged.state_dict()  # shares the module's memory
    for name, value in state.level.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)
