import math
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch

from training.config import ConfigError, load_config
from training.config_network import NetworkConfig
from training.export.onnx import export_level
from training.export.parity import run_graph, run_torch
from training.networks.architectures import ARCHITECTURES, build_network
from training.networks.cascade import ContextLevel, input_channels, scanned
from training.networks.residual import FinerResidualNet, ResidualNet, on_finer_grid

TINY = NetworkConfig(architecture="residual", residual_channels=(4, 6, 8, 8))
FINER = NetworkConfig(architecture="residual", residual_channels=(4, 6, 8, 8), fine_channels=3)


@pytest.mark.parametrize(
    ("config", "shape"), [(TINY, (16, 32, 32)), (TINY, (32, 48, 16)), (FINER, (32, 64, 32)), (FINER, (96, 32, 64))]
)
def test_three_heads_lie_on_the_grid_its_half_and_its_quarter(
    config: NetworkConfig, shape: tuple[int, int, int]
) -> None:
    logits = build_network(config, 1)(torch.zeros(1, 1, *shape))
    for divisor, head in ((1, logits.main), (2, logits.half), (4, logits.quarter)):
        assert head.shape == (1, 1, *(n // divisor for n in shape))


@pytest.mark.parametrize("config", [TINY, FINER])
def test_every_weight_learns(config: NetworkConfig) -> None:
    torch.manual_seed(1)
    network = build_network(config, 1)
    if isinstance(network, FinerResidualNet):
        torch.nn.init.normal_(network.head_main.weight)  # at 0 it lets nothing through in the first step
    logits = network(torch.randn(1, 1, 64, 64, 64))
    loss = torch.stack([head.square().mean() for head in logits.masks]).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    without = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert without == []


def test_a_finer_network_begins_with_what_the_coarser_one_says() -> None:
    """Of a smooth volume; away from the borders, where the stages pad with different zeros."""
    torch.manual_seed(2)
    known = ResidualNet(TINY).eval()
    fresh = FinerResidualNet(FINER)
    fresh.load_state_dict(on_finer_grid(known.state_dict(), fresh))
    coarse = torch.nn.functional.avg_pool3d(torch.randn(1, 1, 96, 96, 96), 9, 1, 4) * 20
    fine = torch.nn.functional.interpolate(coarse, scale_factor=2)  # the mean of each coarse voxel is its value
    with torch.inference_mode():
        expected, found = known(coarse).main, fresh.eval()(fine)
    middle = (..., slice(24, 72), slice(24, 72), slice(24, 72))
    difference = (found.half[middle] - expected[middle]).std()
    assert float(difference) < 0.1 * float(expected[middle].std())
    upscaled = torch.nn.functional.interpolate(found.half, scale_factor=2, mode="trilinear")
    inner = (..., slice(2, -2), slice(2, -2), slice(2, -2))
    assert torch.allclose(found.main[inner], upscaled[inner], atol=1e-4)


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
    counted = {name: _multiply_adds(build_network(config, 1)) for name, config in _published().items()}
    assert counted["residual"] < counted["usegnet"] / 15


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_networks_are_built_by_name(name: str) -> None:
    config = NetworkConfig.model_validate({"architecture": name, "width": 0.125, "residual_channels": (4, 4, 4, 4)})
    logits = build_network(config, 2)(torch.zeros(1, 2, 32, 32, 32))
    assert logits.main.shape == (1, 1, 32, 32, 32)


def test_a_grid_that_the_network_cannot_halve_four_times_is_refused(tmp_path: Path) -> None:
    config = load_config("release")
    assert config.preprocessing.shape_divisor % 16 == 0
    with pytest.raises(ConfigError, match="16"):
        load_config_with_divisor(tmp_path, 8)


def load_config_with_divisor(folder: Path, divisor: int) -> None:
    text = resources.files("training").joinpath("presets", "release.toml").read_text(encoding="utf-8")
    path = folder / "odd.toml"
    path.write_text(text.replace("shape_divisor = 16", f"shape_divisor = {divisor}"), encoding="utf-8")
    load_config(path)


def test_a_mirrored_level_gives_mirror_images_the_same_answer() -> None:
    level = ContextLevel(ResidualNet(TINY), "sum", mirrored=True).eval()
    volume, context = torch.randn(1, 1, 32, 32, 48), torch.rand(1, 1, 32, 32, 48)
    with torch.inference_mode():
        found = level.probability(volume, context)
        mirrored = level.probability(volume.flip(2, 4), context.flip(2, 4)).flip(2, 4)
        alone = torch.sigmoid(level(volume, context).main)
    assert torch.allclose(found, mirrored, atol=1e-6)
    assert not torch.allclose(found, alone, atol=1e-4)


def test_a_mirrored_level_is_served_as_it_was_trained() -> None:
    level = ContextLevel(ResidualNet(TINY), "sum", mirrored=True).eval()
    graph = export_level(level, 2, divisor=16)
    for shape in ((32, 32, 48), (48, 64, 32)):
        rng = np.random.default_rng(1)
        volume = rng.normal(size=(1, 1, *shape)).astype(np.float32)
        context = rng.random((1, 1, *shape), dtype=np.float32)
        found = run_graph(graph, volume, context)
        assert np.abs(found - run_torch(level, volume, context)).max() < 1e-5


def test_the_distance_head_learns_and_is_not_served() -> None:
    network = ResidualNet(TINY.model_copy(update={"distance_head": True}))
    logits = network(torch.randn(1, 1, 32, 32, 32))
    assert logits.distance is not None
    assert logits.distance.shape == (1, 1, 16, 16, 16)
    logits.distance.square().mean().backward()
    assert network.head_distance is not None
    assert network.head_distance.weight.grad is not None
    graph = export_level(ContextLevel(network.eval(), "sum"), 1, divisor=16)
    assert [output.name for output in graph.graph.output] == ["probability"]
    assert not any("distance" in tensor.name for tensor in graph.graph.initializer)


@pytest.mark.parametrize("beside", [{"architecture": "usegnet"}, {"distance_head": True}])
def test_a_fine_stage_where_there_can_be_none_is_refused(beside: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="fine_channels"):
        NetworkConfig.model_validate({"architecture": "residual", "fine_channels": 4} | beside)


def test_a_distance_head_on_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match="distance_head"):
        NetworkConfig(architecture="usegnet", distance_head=True)


def test_a_level_can_see_where_the_scan_ends_and_is_served_so() -> None:
    torch.manual_seed(2)
    network = ResidualNet(TINY, input_channels("sum", field_of_view=True))
    level = ContextLevel(network, "sum", field_of_view=True).eval()
    rng = np.random.default_rng(2)
    volume = rng.normal(size=(1, 1, 32, 48, 32)).astype(np.float32)
    volume[:, :, :8] = -6
    seen = scanned(torch.from_numpy(volume))
    assert not seen[:, :, :8].any()
    assert seen[:, :, 8:].all()
    context = rng.random(volume.shape, dtype=np.float32)
    found = run_graph(export_level(level, 2, divisor=16), volume, context)
    assert np.abs(found - run_torch(level, volume, context)).max() < 2e-5  # each is within 1e-5 of double precision


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
