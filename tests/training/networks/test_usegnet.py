import pytest
import torch

from training.config.network import NetworkConfig
from training.config.presets import load_config
from training.networks.attention import AttentionModule
from training.networks.cascade import AutoContextCascade, ContextLevel
from training.networks.usegnet import HeadLogits, USegNet

TINY = NetworkConfig(width=0.125)


@pytest.mark.parametrize("up_kernels", [(2, 2, 2), (5, 5, 3), (4, 3, 2)])
def test_heads_lie_on_the_full_half_and_quarter_grid(up_kernels: tuple[int, int, int]) -> None:
    network = USegNet(TINY.model_copy(update={"up_kernels": up_kernels}))
    logits: HeadLogits = network(torch.zeros(1, 1, 16, 24, 32))
    assert logits.main.shape == (1, 1, 16, 24, 32)
    assert logits.half.shape == (1, 1, 8, 12, 16)
    assert logits.quarter.shape == (1, 1, 4, 6, 8)


def test_paper_network_has_the_reference_number_of_parameters() -> None:
    network = USegNet(load_config("paper").network)
    expected = (
        (27 * 32 + 27 * 32**2) + (27 * 32 * 64 + 27 * 64**2) + 2 * (2 * 125 * 64**2)  # encoder
        + 125 * 64**2 * 2 + 27 * 64 * 32  # transposed convolutions
        + 2 * (32 + 32 + 64 + 64 + 64 + 64 + 64 + 64) + 2 * (64 + 64 + 32)  # scales and shifts
        + sum(c * 32 + 32 + 2 * (27 * 32**2 + 32) + 27 * 64**2 + 64 for c in (32, 64, 64, 128, 128, 96))  # SAM, UAM
        + 3 * 65  # heads
    )  # fmt: skip
    assert sum(p.numel() for p in network.parameters()) == expected == 4335779


def test_half_width_halves_the_channels() -> None:
    assert load_config("cpu").network.encoder_channels == (16, 32, 32, 32)


@pytest.mark.parametrize(("sam", "uam"), [((), ()), ((1,), (3,)), ((1, 2, 3), ())])
def test_attention_modules_can_be_left_out(sam: tuple[int, ...], uam: tuple[int, ...]) -> None:
    network = USegNet(TINY.model_copy(update={"sam": sam, "uam": uam}))
    modules = [name for name, part in network.named_children() if isinstance(part, AttentionModule)]
    assert modules == sorted(f"sam{4 - n}" for n in sam) + [f"uam{n}" for n in uam]
    assert network(torch.zeros(1, 1, 16, 8, 8)).main.shape == (1, 1, 16, 8, 8)


def test_attention_weights_sum_to_one_over_channels() -> None:
    module = AttentionModule(4, 8, 16, 3)
    shrunk = module.shrink(torch.randn(1, 4, 5, 6, 7))
    attention = torch.softmax(module.weigh(shrunk), dim=1)
    assert torch.allclose(attention.sum(dim=1), torch.ones(1, 5, 6, 7), atol=1e-6)


def test_the_last_convolution_absorbs_the_temperature() -> None:
    module = AttentionModule(4, 8, 16, 3, temperature=16.0)
    features = torch.randn(1, 4, 5, 6, 7)
    before = module(features)
    module.absorb_temperature()
    assert module.temperature == 1
    assert torch.allclose(module(features), before, atol=1e-5)


def test_initial_weights_are_truncated_at_two_standard_deviations() -> None:
    weight = dict(USegNet(NetworkConfig()).named_parameters())["encoder3.0.conv.weight"]
    std = (2 / (64 * 125)) ** 0.5
    assert float(weight.detach().abs().max()) <= 2 * std
    assert 0.8 * std < float(weight.detach().std()) < std


def test_second_level_sees_the_first_ones_probability() -> None:
    levels = [ContextLevel(USegNet(TINY)) for _ in range(2)]
    cascade = AutoContextCascade(levels).eval()
    x = torch.randn(1, 1, 16, 8, 8)
    first = torch.sigmoid(levels[0](x).main)
    assert torch.allclose(cascade(x), torch.sigmoid(levels[1].network(x + first).main), atol=1e-6)
