"""The cases that a level learns from and is validated on, and what a step sees of one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from app.imaging.preprocess import PreprocessingSpec
from training.cases.augment import Sample, augment, draw_augmentation, fit_to_grid
from training.cases.sources import Case, GridCase, GridCases, prepare
from training.cases.views import draw_view
from training.config.training import Stage
from training.fitting.job import LevelJob
from training.fitting.regions import with_context


@dataclass(frozen=True)
class LevelCases:
    """The cases of a level on one grid, kept in memory once prepared."""

    spacing_mm: float
    training: GridCases
    validation: GridCases


def open_cases(job: LevelJob, stage: Stage) -> LevelCases:
    """Return the cases on the grid of a stage; none is read yet."""
    data, prepare_case = job.config.data, partial(_prepare, job, job.spec(stage))
    ranges = (data.train[job.context_level - 1], data.validation)
    training, validation = (GridCases(job.source, data, wanted, prepare_case) for wanted in ranges)
    return LevelCases(stage.spacing_mm, training, validation)


def draw_sample(job: LevelJob, case: GridCase, stage: Stage, rng: np.random.Generator) -> Sample:
    """Return what a step sees of a case, augmented, on the job's device."""
    config = job.config
    if config.augmentation.enabled:
        sample = augment(case, draw_augmentation(rng, config.augmentation), stage.shape, job.spec(stage))
    else:
        sample = fit_to_grid(case, stage.shape, job.spec(stage))
    return with_levels_below(job, draw_view(sample, config.network, rng))


@torch.no_grad()
def with_levels_below(job: LevelJob, sample: Sample) -> Sample:
    """Return a sample on the job's device, with the probability of the levels below.

    It came with the case, or else the levels below are run on the very volume that this level sees.
    """
    volume, truth = sample.volume.to(job.device), sample.truth.to(job.device)  # both (1, 1, I, J, K)
    if sample.context is not None:
        return Sample(volume, truth, sample.context.to(job.device))
    if job.below is None:
        return Sample(volume, truth)
    with job.autocast():
        return Sample(volume, truth, job.below.to(job.device).eval()(volume))


def _prepare(job: LevelJob, spec: PreprocessingSpec, case: Case) -> GridCase:
    """Return a case on a grid, with what the levels below say of it where that is found beforehand."""
    if job.below is None or not job.config.context_with_case(job.context_level):
        return prepare(case, spec)
    return with_context(case, spec, job.config, job.below, job.device)
