"""The training of one context level, from its first step to its last."""

import math
from time import monotonic

import numpy as np

from training.cases.sources import DataError
from training.config.training import Stage
from training.fitting.checkpoint import save_training
from training.fitting.job import LevelJob
from training.fitting.level_cases import LevelCases, draw_sample, open_cases
from training.fitting.log import TrainingLog
from training.fitting.state import Progress, TrainingState
from training.fitting.step import learning_rate, take_step
from training.fitting.validation import validate


def train(job: LevelJob, state: TrainingState, stop_at_step: int | None = None) -> None:
    """Train a level until its budget is spent, or until a step for a planned interruption."""
    runtime, progress = job.config.runtime, state.progress
    cases = open_cases(job, job.stage(0))
    validated_at = saved_at = monotonic()
    with TrainingLog(job) as log:
        while (fraction := spent_fraction(job, progress, cases)) < 1 and progress.step != stop_at_step:
            begun, stage = monotonic(), job.stage(fraction)
            cases = _move_to_grid(job, stage, cases)
            case = cases.training.draw(state.rng)
            sample = draw_sample(job, case, stage, state.rng)
            loss = take_step(job, state, sample, fraction)
            seconds = monotonic() - begun
            progress.seen.add(case.seed)
            progress.step += 1
            progress.spent_s += seconds

            if progress.step % runtime.log_steps == 0:
                rate = learning_rate(job.config.optimiser, fraction)
                log.step(progress, fraction, _require_finite(float(loss), progress.step), rate, seconds)
            if monotonic() - validated_at > 60 * runtime.validate_minutes:
                begun = monotonic()
                _validate(job, state, cases, stage, log)
                validated_at = monotonic()
                progress.spent_s += validated_at - begun
            if monotonic() - saved_at > 60 * runtime.checkpoint_minutes:
                save_training(job, state)
                saved_at = monotonic()

        stage = job.stage(fraction)
        _validate(job, state, _move_to_grid(job, stage, cases), stage, log)
        save_training(job, state)


def spent_fraction(job: LevelJob, progress: Progress, cases: LevelCases) -> float:
    """Return the share of the level's budget that is spent, 0 to 1; time, steps or epochs. Of none, all is spent."""
    budget, index = job.config.budget, job.context_level - 1
    if job.context_level not in job.config.trained_levels:
        return 1.0
    if budget.minutes:
        return min(1.0, progress.spent_s / (60 * budget.minutes[index]))
    if budget.steps:
        return min(1.0, progress.step / budget.steps[index])
    return min(1.0, progress.step / max(1, budget.epochs * len(cases.training.seeds())))


def _move_to_grid(job: LevelJob, stage: Stage, cases: LevelCases) -> LevelCases:
    """Return the cases on the grid of a stage; those on the grid before are released."""
    return cases if cases.spacing_mm == stage.spacing_mm else open_cases(job, stage)


def _validate(job: LevelJob, state: TrainingState, cases: LevelCases, stage: Stage, log: TrainingLog) -> None:
    """Measure the averaged weights, where there are validation cases."""
    if scores := validate(job, state.averaged, cases.validation, stage):
        state.progress.validation_dsc = float(np.mean(scores))
        log.validation(state.progress, stage.spacing_mm, scores)


def _require_finite(loss: float, step: int) -> float:
    if not math.isfinite(loss):
        raise DataError(f"the loss became {loss} at step {step}; lower optimiser.learning_rate")
    return loss
