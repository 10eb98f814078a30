import math

import pytest
import torch

from training.config.training import LossConfig
from training.fitting.losses import deep_supervision_loss, l2_as_weight_decay, soft_dice_loss
from training.networks.usegnet import HeadLogits


def heads(value: float) -> HeadLogits:
    return HeadLogits(*(torch.full((1, 1, n, n, n), value) for n in (8, 4, 2)))


def test_cross_entropy_of_an_undecided_network_is_log_2_per_head() -> None:
    loss = deep_supervision_loss(heads(0.0), torch.zeros(1, 1, 8, 8, 8), LossConfig())
    assert float(loss) == pytest.approx(3 * math.log(2))


def test_auxiliary_heads_are_compared_with_the_downscaled_truth() -> None:
    truth = torch.zeros(1, 1, 8, 8, 8)
    truth[..., :4] = 1
    right = HeadLogits(*(torch.where(torch.arange(n) < n // 2, 30.0, -30.0).expand(1, 1, n, n, n) for n in (8, 4, 2)))
    assert float(deep_supervision_loss(right, truth, LossConfig(kind="dice_cross_entropy"))) == pytest.approx(
        0, abs=1e-5
    )


def test_dice_of_half_overlap() -> None:
    probability, target = torch.zeros(1, 1, 1, 1, 40), torch.zeros(1, 1, 1, 1, 40)
    probability[..., :20], target[..., 10:30] = 1, 1
    assert float(soft_dice_loss(probability, target)) == pytest.approx(1 - 21 / 41)


def test_weight_decay_has_the_gradient_of_the_l2_term() -> None:
    weight = torch.tensor([3.0, -2.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(0.1 * weight.square().sum(), weight)
    assert torch.allclose(gradient, l2_as_weight_decay(0.1) * weight.detach())


def test_without_deep_supervision_the_main_head_alone_counts() -> None:
    loss = deep_supervision_loss(heads(0.0), torch.zeros(1, 1, 8, 8, 8), LossConfig(deep_supervision=False))
    assert float(loss) == pytest.approx(math.log(2))
