"""Deep supervision loss (paper eq. 2): the same soft truth, downscaled to the grid of each head."""

import torch
from torch import nn
from torch.nn import functional

from training.config import LossConfig
from training.networks.usegnet import HeadLogits


class DeepSupervisionLoss(nn.Module):
    """Sum of the main and both auxiliary losses; the L2 term of eq. 2 is the optimiser's (see `l2_as_weight_decay`)."""

    def __init__(self, config: LossConfig) -> None:
        super().__init__()
        self.with_dice = config.kind == "dice_cross_entropy"

    def forward(self, logits: HeadLogits, truth: torch.Tensor) -> torch.Tensor:
        """Loss of the three heads against the soft truth (N, 1, I, J, K) in [0, 1]."""
        half = functional.avg_pool3d(truth, 2)  # S_2(Y) (N, 1, I/2, J/2, K/2)
        quarter = functional.avg_pool3d(half, 2)  # S_4(Y) (N, 1, I/4, J/4, K/4)
        heads = ((logits.main, truth), (logits.half, half), (logits.quarter, quarter))
        return torch.stack([self._head(logit.float(), target) for logit, target in heads]).sum()

    def _head(self, logit: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Cross-entropy with soft labels, plus the soft Dice loss where configured."""
        loss = functional.binary_cross_entropy_with_logits(logit, target)
        return loss + soft_dice_loss(torch.sigmoid(logit), target) if self.with_dice else loss


def soft_dice_loss(probability: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """1 - Dice of soft masks (N, 1, I, J, K); one voxel of smoothing keeps empty masks finite.

    |p| + |t| in the denominator, so that a soft target is best matched by its own mass.
    """
    overlap = (probability * target).sum()
    return 1 - (2 * overlap + 1) / ((probability + target).sum() + 1)


def l2_as_weight_decay(l2: float) -> float:
    """Weight decay of torch's Adam that adds the gradient of lambda * ||W||^2, which is 2 * lambda * W."""
    return 2 * l2
