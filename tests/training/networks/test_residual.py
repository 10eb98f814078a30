import math
from pathlib import Path

import numpy as np
import pytest
import torch

from training.cases.anatomy import ANATOMY_CHANNELS
from training.config.network import NetworkConfig
from training.config.presets import load_config
from training.config.training import ConfigError
from training.export.graph.onnx import export_level
from training.export.graph.parity import MAX_DIFFERENCE, run_graph
from training.networks.architectures import ARCHITECTURES, build_network
from training.networks.cascade import ContextLevel, on_arrays
from training.networks.residual import ResidualNet

TINY = NetworkConfig(architecture="residual", residual_channels=(4, 6, 8, 8))


@pytest.mark.parametrize("shape", [(16, 32, 32), (32, 48, 16)])
def test_three_heads_lie_on_the_grid_its_half_and_its_quarter(shape: tuple[int, int, int]) -> None:
    logits = build_network(TINY)(torch.zeros(1, 1, *shape))
    for divisor, head in ((1, logits.main), (2, logits.half), (4, logits.quarter)):
        assert head.shape == (1, 1, *(n // divisor for n in shape))


def test_every_weight_learns() -> None:
    torch.manual_seed(1)
    network = build_network(TINY)
    logits = network(torch.randn(1, 1, 64, 64, 64))
    loss = torch.stack([head.square().mean() for head in (logits.main, logits.half, logits.quarter)]).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    without = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert without == []


def test_the_field_of_view_reaches_across_a_head() -> None:
    """A change of one voxel is seen 40 voxels (96 mm at 2.4 mm) away."""
    network = ResidualNet(TINY).eval()
    volume = torch.randn(1, 1, 96, 16, 16)
    changed = volume.clone()
    changed[0, 0, 8, 8, 8] += 10
    with torch.inference_mode():
        difference = (network(volume).main - network(changed).main).abs()
    assert difference[0, 0, 48].max() > 0


def test_needs_fewer_operations_than_the_papers_network() -> None:
    counted = {name: _multiply_adds(build_network(config)) for name, config in _published().items()}
    assert counted["residual"] < counted["usegnet"] / 15


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_networks_are_built_by_name(name: str) -> None:
    config = NetworkConfig.model_validate({"architecture": name, "width": 0.125, "residual_channels": (4, 4, 4, 4)})
    logits = build_network(config)(torch.zeros(1, 1, 32, 32, 32))
    assert logits.main.shape == (1, 1, 32, 32, 32)


def test_a_grid_that_the_network_cannot_halve_four_times_is_refused(tmp_path: Path) -> None:
    config = load_config("release")
    assert config.preprocessing.shape_divisor % 16 == 0
    odd = tmp_path / "odd.toml"
    odd.write_text('extends = "release"\nname = "odd"\npreprocessing.shape_divisor = 8\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="16"):
        load_config(odd)


@pytest.mark.slow
@pytest.mark.parametrize("anatomy_channels", [0, ANATOMY_CHANNELS], ids=["outline", "anatomy"])
def test_a_level_is_served_as_it_was_trained(anatomy_channels: int) -> None:
    torch.manual_seed(1)
    level = ContextLevel(ResidualNet(TINY, anatomy_channels)).eval()
    graph = export_level(level, 2, divisor=16)
    for shape in ((32, 32, 48), (48, 64, 32)):
        rng = np.random.default_rng(1)
        volume = rng.normal(size=(1, 1, *shape)).astype(np.float32)
        context = rng.random((1, 1, *shape), dtype=np.float32)
        found = run_graph(graph, volume, context)
        assert found.shape == (1, 4 if anatomy_channels else 1, *shape)
        assert np.abs(found - on_arrays(level.served, torch.device("cpu"))(volume, context)).max() < MAX_DIFFERENCE


def _published() -> dict[str, NetworkConfig]:
    return {"usegnet": load_config("paper").network, "residual": load_config("release").network}


def _multiply_adds(network: torch.nn.Module) -> float:
    """Multiply-adds of all convolutions per voxel of the grid."""
    shape, counts = (32, 32, 32), []

    def count(layer: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        if isinstance(layer, torch.nn.ConvTranspose3d):
            counts.append(layer.in_channels * math.prod(layer.kernel_size) / math.prod(layer.stride) * output.numel())
        elif isinstance(layer, torch.nn.Conv3d):
            counts.append(layer.in_channels * math.prod(layer.kernel_size) * output.numel())

    for layer in network.modules():
        layer.register_forward_hook(count)
    with torch.inference_mode():
        network(torch.zeros(1, 1, *shape))
    return sum(counts) / math.prod(shape)
