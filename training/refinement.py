"""A level on a finer grid than the one below: what it is given, and where it looks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from app.imaging.preprocess import PreprocessingSpec, coarser
from app.imaging.resample import resample
from app.imaging.volume import Volume, VolumeGeometry
from app.inference.focus import Box, head_box
from training.data import GridCase

if TYPE_CHECKING:
    from training.networks.cascade import AutoContextCascade, ContextLevel

__all__ = ["Box", "box_of", "coarse_context", "refined", "with_coarse_context"]
PRESENT = 0.5


def with_coarse_context(case: GridCase, below: AutoContextCascade, spec: PreprocessingSpec) -> GridCase:
    """The case with the probability of the levels below, which see the whole volume on their own coarser grid."""
    image = Volume(case.image.astype(np.float32), grid_of(case))
    return replace(case, context=coarse_context(image, below, spec).astype(np.float16))


@torch.inference_mode()
def coarse_context(image: Volume, below: AutoContextCascade, spec: PreprocessingSpec) -> np.ndarray:
    """Probability of the levels below, float32 (I, J, K) on the grid of a prepared volume."""
    seen = coarser(image, spec)
    device = next(below.parameters()).device
    probability = below(torch.from_numpy(seen.data)[None, None].to(device))[0, 0].float().cpu().numpy()
    return resample(Volume(probability, seen.geometry), image.geometry, antialias=False).data


def grid_of(case: GridCase) -> VolumeGeometry:
    """The case's grid; where it lies does not matter."""
    return VolumeGeometry.from_spacing(case.image.shape, (case.spacing_mm,) * 3)


def box_of(case: GridCase, margin_mm: float, divisor: int) -> Box:
    """The box around the head that the levels below found; the whole grid where they found none."""
    if case.context is None:
        raise ValueError("a case without the probability of the levels below has no box")
    return head_box(case.context.astype(np.float32), PRESENT, int(np.ceil(margin_mm / case.spacing_mm)), divisor)


def refined(level: ContextLevel, volume: torch.Tensor, context: torch.Tensor, box: Box) -> torch.Tensor:
    """The level's probability in the box and the context around it, (1, 1, I, J, K)."""
    whole = context.clone()
    whole[(..., *box)] = level.probability(volume[(..., *box)], context[(..., *box)]).to(whole.dtype)
    return whole
