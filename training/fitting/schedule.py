"""The learning rate over a level's budget."""

import math

from training.config.training import TrainingConfig


def learning_rate(config: TrainingConfig, fraction: float) -> float:
    """The learning rate at a fraction of the budget: linear warm-up, then constant or half a cosine down to 1 %."""
    optimiser = config.optimiser
    if fraction < optimiser.warmup:
        return optimiser.learning_rate * max(0.01, fraction / optimiser.warmup)
    if optimiser.schedule == "constant":
        return optimiser.learning_rate
    rest = (fraction - optimiser.warmup) / (1 - optimiser.warmup)
    return optimiser.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * rest)))
