"""A level on a finer grid than the one below: what it is given, and where it looks."""

from dataclasses import replace
from functools import partial

import numpy as np
import torch

from app.imaging.arrays import Float32
from app.inference.coarse import CoarserGrid
from app.inference.focus import Box, head_box
from training.cases.sources import GridCase
from training.networks.cascade import AutoContextCascade, ContextLevel

PRESENT = 0.5


def with_coarse_context(case: GridCase, below: AutoContextCascade, first: CoarserGrid) -> GridCase:
    """The case with the probability of the level below, which sees the whole volume on its own coarser grid."""
    tensor = case.image.astype(np.float32)[None, None]
    return replace(case, context=first.answer(tensor, partial(answer, below)).astype(np.float16))


@torch.inference_mode()
def answer(below: AutoContextCascade, tensor: Float32) -> Float32:
    """The probability (I, J, K) of the level below for its own input (1, 1, I, J, K)."""
    device = next(below.parameters()).device
    found: Float32 = below(torch.from_numpy(tensor).to(device))[0, 0].float().cpu().numpy()
    return found


def box_around(context: Float32, margin_mm: float, spacing_mm: float, divisor: int) -> Box:
    """The box around the head that the level below found (I, J, K); the whole grid where it found none."""
    return head_box(context, PRESENT, int(np.ceil(margin_mm / spacing_mm)), divisor)


def refined(level: ContextLevel, volume: torch.Tensor, context: torch.Tensor, box: Box) -> torch.Tensor:
    """The level's probability in the box and the context around it, (1, 1, I, J, K)."""
    whole = context.clone()
    whole[(..., *box)] = level.probability(volume[(..., *box)], context[(..., *box)]).to(whole.dtype)
    return whole
