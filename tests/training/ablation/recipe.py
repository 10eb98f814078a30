"""A recipe of one level and a few steps, for comparisons that train it several times."""

from training.config.data import SeedRange
from training.config.presets import load_config
from training.config.training import BudgetConfig, TrainingConfig


def short_recipe(steps: int) -> TrainingConfig:
    """The preset `smoke` with one level, so many steps and the training cases of seeds below 10."""
    base = load_config("smoke")
    return base.model_copy(
        update={
            "level": base.level[:1],
            "budget": BudgetConfig(steps=(steps,)),
            "data": base.data.model_copy(update={"train": (SeedRange(first=0, stop=10),)}),
        }
    )
