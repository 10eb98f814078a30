"""The cases that a level learns from and is validated on, and what a step sees of one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from app.imaging.levels import run_levels
from app.imaging.preprocess import PreprocessingSpec, preprocess
from app.imaging.regions import find_region
from app.imaging.resample import resample
from app.imaging.volume import Volume
from training.cases.augment import Sample, augment, draw_augmentation, fit_to_grid
from training.cases.sources import Case, GridCase, GridCases, bring_to_grid, prepare
from training.cases.views import draw_view
from training.config.training import Stage, TrainingConfig
from training.fitting.job import LevelJob
from training.networks.cascade import AutoContextCascade, on_arrays


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
    anatomy = None if sample.anatomy is None else sample.anatomy.to(job.device)
    if sample.context is not None:
        return Sample(volume, truth, sample.context.to(job.device), anatomy)
    if job.below is None:
        return Sample(volume, truth, None, anatomy)
    with job.autocast():
        return Sample(volume, truth, job.below.to(job.device).eval()(volume), anatomy)


def _prepare(job: LevelJob, spec: PreprocessingSpec, case: Case) -> GridCase:
    """Return a case on a grid, with what the levels below say of it where that is found beforehand."""
    if job.below is None or not job.config.context_with_case(job.context_level):
        return prepare(case, spec)
    return with_context(case, spec, job.config, job.below, job.device)


def with_context(
    case: Case, spec: PreprocessingSpec, config: TrainingConfig, below: AutoContextCascade, device: torch.device
) -> GridCase:
    """Return the case on the grid of a stage, with what the levels below find on their own grids, as they are served.

    `middle` is set where the level above them sees a region.
    """
    levels, served = list(below.to(device).eval()), preprocess(case.image, config.preprocessing)
    runs = [on_arrays(level.probability, device) for level in levels]
    *_, found = run_levels(config.level[: len(levels)], runs, served.tensor[0, 0], config.preprocessing)
    here = served if spec == config.preprocessing else preprocess(case.image, spec)
    context = resample(Volume(found, served.geometry), here.geometry).data
    region, middle = config.level[len(levels)].region, None
    if region is not None:
        middle = find_region(context, region, spec.spacing_mm, spec.shape_divisor).middle
    prepared = bring_to_grid(case, here, spec.spacing_mm)
    return replace(prepared, context=context.astype(np.float16), middle=middle)
