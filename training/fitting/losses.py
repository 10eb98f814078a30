"""Deep supervision loss (paper eq. 2): the same soft truth, downscaled to the grid of each head."""

import torch
from torch.nn import functional

from training.cases.anatomy import CLASSES, Anatomy
from training.config.training import LossConfig
from training.networks.usegnet import HeadLogits

INSIDE = 0.5
PLACE_BETA = 0.1
"""From which error on places count linearly instead of squared: 5 mm."""


def deep_supervision_loss(logits: HeadLogits, truth: torch.Tensor, config: LossConfig) -> torch.Tensor:
    """Return the summed loss of the heads, or of the main one alone, against the soft truth (N, 1, I, J, K) in [0, 1].

    Each head's is the cross-entropy with soft labels, plus the soft Dice loss where configured. The L2 term of eq. 2 is
    the optimiser's, see `l2_as_weight_decay`.
    """
    total = torch.zeros((), device=truth.device)
    heads = (logits.main, logits.half, logits.quarter)
    for logit in heads if config.deep_supervision else heads[:1]:
        target = downscale(truth, logit.shape)
        total = total + functional.binary_cross_entropy_with_logits(logit.float(), target)
        if config.kind == "dice_cross_entropy":
            total = total + soft_dice_loss(torch.sigmoid(logit.float()), target)
    return total


def anatomy_loss(found: torch.Tensor, anatomy: Anatomy, truth: torch.Tensor, config: LossConfig) -> torch.Tensor:
    """Return the loss of an anatomy head (N, classes + 3, i, j, k): the classes everywhere, places inside the head."""
    tissues, place = found[:, : len(CLASSES)].float(), found[:, len(CLASSES) :].float()
    loss = config.tissue_weight * functional.cross_entropy(tissues, anatomy.classes)
    inside = downscale(truth, found.shape) >= INSIDE  # (N, 1, i, j, k)
    if inside.any():
        errors = functional.smooth_l1_loss(place, anatomy.place, reduction="none", beta=PLACE_BETA)
        loss = loss + config.place_weight * errors[inside.expand_as(errors)].mean()
    return loss


def downscale(truth: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Compute S_m(Y): the truth (N, 1, I, J, K) averaged onto a head's grid, whose axes divide the truth's."""
    factors = [n // m for n, m in zip(truth.shape[2:], shape[2:], strict=True)]
    return functional.avg_pool3d(truth, factors) if max(factors) > 1 else truth


def soft_dice_loss(probability: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return 1 - Dice of soft masks (N, 1, I, J, K); one voxel of smoothing keeps empty masks finite.

    |p| + |t| in the denominator, so that a soft target is best matched by its own mass.
    """
    overlap = (probability * target).sum()
    return 1 - (2 * overlap + 1) / ((probability + target).sum() + 1)


def l2_as_weight_decay(l2: float) -> float:
    """Return the weight decay of torch's Adam that adds the gradient of lambda * ||W||^2, which is 2 * lambda * W."""
    return 2 * l2
