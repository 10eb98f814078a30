"""Training on a folder of one's own: the preset's settings, the folder's cases, fresh or published weights."""

from __future__ import annotations

from app.files import digest
from training.config.data import SeedRange
from training.config.training import BudgetConfig, ConfigError, TrainingConfig
from training.fitting import cascade as auto_context
from training.fitting.checkpoint import LevelWeights
from training.fitting.run_folder import RunFolder
from training.own_data.folder import OwnCase, OwnCases
from training.own_data.split import Split


def fit_own(
    config: TrainingConfig,
    split: Split,
    run: RunFolder,
    levels: tuple[int, ...],
    resume: bool,
    start: tuple[LevelWeights, ...] = (),
) -> None:
    """Train into the run's folder, which also keeps the split; `start` holds the levels to continue from, if any."""
    split.write(run.split)
    cases = number_cases(split)
    config = _choose_cases(config, split, cases, bool(start))
    if start:
        config = auto_context.start_from(config, run, start)
    auto_context.fit(config, OwnCases(cases), run, levels, resume)


def _choose_cases(config: TrainingConfig, split: Split, cases: tuple[OwnCase, ...], fine_tuned: bool) -> TrainingConfig:
    """Return a configuration that says by their numbers which cases each level learns from.

    From scratch, each level has patients of its own; fine-tuning gives every level all of them, since the maps of a
    model that was trained elsewhere are not spoilt by a few steps on these cases.
    """
    levels = config.context_levels
    ends = _find_ends(cases[: len(split.train)], 1 if fine_tuned else levels)
    ranges = tuple(SeedRange(first=a, stop=b) for a, b in zip((0, *ends), ends, strict=False))
    first = len(split.train)
    data = config.data.model_copy(
        update={
            "train": ranges * levels if fine_tuned else ranges,
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
    return TrainingConfig.model_validate(config.model_copy(update=update).model_dump())


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
        "level": tuple(level.model_copy(update={"stage": level.stage[-1:]}) for level in known.level),
        "budget": BudgetConfig(**values, epochs=budget.epochs),
        "data": preset.data.model_copy(update={"train": preset.data.train * levels}),
    }
    return preset.model_copy(update=update)


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
