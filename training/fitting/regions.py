"""Cases for a level that is given what the levels below say of the whole volume, and sees the region that follows."""

from dataclasses import replace

import numpy as np
import torch

from app.imaging.levels import run_levels
from app.imaging.preprocess import PreprocessingSpec, preprocess
from app.imaging.regions import find_region
from app.imaging.resample import resample
from app.imaging.volume import Volume
from training.cases.sources import Case, GridCase, bring_to_grid
from training.config.training import TrainingConfig
from training.networks.cascade import AutoContextCascade, on_arrays


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
