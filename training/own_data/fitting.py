"""Training on a folder of one's own: the preset's settings, the folder's cases, fresh or published weights."""

from __future__ import annotations

from dataclasses import dataclass

from app.files import digest
from training.config.data import SeedRange
from training.config.training import BudgetConfig, ConfigError, Stage, TrainingConfig
from training.fitting import cascade as auto_context
from training.fitting.checkpoint import LevelWeights
from training.fitting.run_folder import RunFolder
from training.own_data.folder import OwnCase, OwnCases
from training.own_data.split import Split


@dataclass(frozen=True)
class OwnTraining:
    """What is trained on which cases; `start` holds the published levels to continue from, if any."""

    config: TrainingConfig
    split: Split
    start: tuple[LevelWeights, ...] = ()

    def fit(self, run: RunFolder, levels: tuple[int, ...], resume: bool) -> None:
        """Train into the run's folder, which also keeps the split."""
        self.split.write(run.split)
        config, cases = prepare_training(self)
        if self.start:
            config = auto_context.start_from(config, run, self.start)
        auto_context.fit(config, OwnCases(cases), run, levels, resume)


def prepare_training(training: OwnTraining) -> tuple[TrainingConfig, tuple[OwnCase, ...]]:
    """Return a configuration and the cases that its numbers mean.

    From scratch, each level has patients of its own; fine-tuning gives every level all of them, since the maps of a
    model that was trained elsewhere are not spoilt by a few steps on these cases.
    """
    split, config = training.split, training.config
    levels = config.context_levels
    cases = number_cases(split)
    ends = _find_ends(cases[: len(split.train)], 1 if training.start else levels)
    ranges = tuple(SeedRange(first=a, stop=b) for a, b in zip((0, *ends), ends, strict=False))
    first = len(split.train)
    data = config.data.model_copy(
        update={
            "train": ranges * levels if training.start else ranges,
            "validation": SeedRange(first=first, stop=first + max(1, len(split.validation))),
            "validation_cases": max(1, len(split.validation)),
            "source": f"{len(split.train)} own volumes of {len({c.patient for c in split.train})} patients",
        }
    )
    update = {
        "data": data,
        "phantoms": None,
        "augmentation": config.augmentation.model_copy(update={"synthesis_probability": 0.0}),
    }
    return TrainingConfig.model_validate(config.model_copy(update=update).model_dump()), cases


def number_cases(split: Split) -> tuple[OwnCase, ...]:
    """Return the cases that a run sees, in the order of their numbers: those of training, then those of validation."""
    return (*_order_by_patient(split.train), *split.validation)


def continue_preset(preset: TrainingConfig, start: tuple[LevelWeights, ...]) -> TrainingConfig:
    """Return the preset's way of training with the network, cascade and grid of a published model."""
    known = start[0].config
    levels = len(start)
    budget = preset.budget
    values = {name: _first(getattr(budget, name), levels) for name in ("minutes", "steps")}
    update = {
        "network": known.network,
        "cascade": known.cascade.model_copy(update={"warm_start": False}),
        "preprocessing": known.preprocessing,
        "level": tuple(level.model_copy(update={"stage": _last(level.stage)}) for level in known.level),
        "budget": BudgetConfig(**values, epochs=budget.epochs),
        "data": preset.data.model_copy(update={"train": preset.data.train * levels}),
    }
    return preset.model_copy(update=update)


def _last(stages: tuple[Stage, ...]) -> tuple[Stage]:
    """Return the last stage alone."""
    return (stages[-1].model_copy(update={"until": 1.0}),)


def _first(values: tuple[float, ...], levels: int) -> tuple[float, ...]:
    """Return one value per level; the last one again where the preset has fewer."""
    return tuple(values[min(n, len(values) - 1)] for n in range(levels)) if values else ()


def _order_by_patient(cases: tuple[OwnCase, ...]) -> list[OwnCase]:
    """Put a patient's cases beside one another, patients in an order that has nothing to do with their names."""
    if not cases:
        raise ConfigError("no case to train on; put at least one patient into train")
    return sorted(cases, key=lambda case: (digest(case.patient), case.name))


def _find_ends(cases: tuple[OwnCase, ...], parts: int) -> tuple[int, ...]:
    """Return where each level's cases end: as even as whole patients allow."""
    borders = [n for n in range(1, len(cases)) if cases[n].patient != cases[n - 1].patient]
    if len(borders) < parts - 1:
        raise ConfigError(
            f"{len(borders) + 1} training patients cannot serve {parts} context levels; "
            "add patients, or fine-tune a published model with --from"
        )
    ends: list[int] = []
    for part in range(1, parts):
        wanted = len(cases) * part / parts
        free = [border for border in borders if border not in ends]
        ends.append(min(free, key=lambda border: abs(border - wanted)))
    return (*sorted(ends), len(cases))
