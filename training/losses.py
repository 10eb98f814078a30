"""Deep supervision loss (paper eq. 2): the same soft truth, downscaled to the grid of each head."""

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import nn
from torch.nn import functional

from training.config import LossConfig
from training.networks.usegnet import HeadLogits

SURFACE = 0.5
"""Where a soft mask's surface lies, and how far it is from the centres of the voxels on both of its sides."""
FAR = 8
"""Voxels from which on a distance counts as far."""


class DeepSupervisionLoss(nn.Module):
    """Sum of the main and both auxiliary losses; the L2 term of eq. 2 is the optimiser's (see `l2_as_weight_decay`)."""

    def __init__(self, config: LossConfig) -> None:
        super().__init__()
        self.with_dice = config.kind == "dice_cross_entropy"
        self.deep = config.deep_supervision

    def forward(self, logits: HeadLogits, truth: torch.Tensor) -> torch.Tensor:
        """Loss of the heads against the soft truth (N, 1, I, J, K) in [0, 1]; of the main head alone if not deep."""
        heads = logits.masks if self.deep else (logits.main,)
        losses = [self._head(logit.float(), downscaled(truth, logit.shape)) for logit in heads]
        if logits.distance is not None:
            wanted = signed_distance(downscaled(truth, logits.distance.shape))
            losses.append(functional.smooth_l1_loss(logits.distance.float(), wanted, beta=0.1))
        return torch.stack(losses).sum()

    def _head(self, logit: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Cross-entropy with soft labels, plus the soft Dice loss where configured."""
        loss = functional.binary_cross_entropy_with_logits(logit, target)
        return loss + soft_dice_loss(torch.sigmoid(logit), target) if self.with_dice else loss


def downscaled(truth: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """S_m(Y): the truth (N, 1, I, J, K) averaged onto a head's grid, whose axes divide the truth's."""
    factors = [n // m for n, m in zip(truth.shape[2:], shape[2:], strict=True)]
    return functional.avg_pool3d(truth, factors) if max(factors) > 1 else truth


def signed_distance(truth: torch.Tensor) -> torch.Tensor:
    """How far each voxel of a soft mask (1, 1, I, J, K) is from its surface: positive inside, negative outside.

    In units of `FAR` voxels, cut to -1 and 1; -1 everywhere where there is no head, 1 where there is nothing else.
    """
    inside = (truth[0, 0] >= SURFACE).cpu().numpy()
    if not inside.any() or inside.all():
        return torch.full_like(truth, 1.0 if inside.any() else -1.0)
    steps = np.where(inside, distance_transform_edt(inside) - SURFACE, SURFACE - distance_transform_edt(~inside))
    return torch.from_numpy(np.clip(steps / FAR, -1, 1).astype(np.float32)).to(truth.device)[None, None]


def soft_dice_loss(probability: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """1 - Dice of soft masks (N, 1, I, J, K); one voxel of smoothing keeps empty masks finite.

    |p| + |t| in the denominator, so that a soft target is best matched by its own mass.
    """
    overlap = (probability * target).sum()
    return 1 - (2 * overlap + 1) / ((probability + target).sum() + 1)


def l2_as_weight_decay(l2: float) -> float:
    """Weight decay of torch's Adam that adds the gradient of lambda * ||W||^2, which is 2 * lambda * W."""
    return 2 * l2
