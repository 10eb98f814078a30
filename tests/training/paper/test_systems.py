import pytest
import torch

from training.config.presets import load_config
from training.config.training import ConfigError, TrainingConfig
from training.fitting.state import new_level
from training.networks.attention import AttentionModule
from training.networks.slices import SliceNetwork
from training.networks.usegnet import HeadLogits, USegNet
from training.paper.systems import (
    COMPARISONS,
    SYSTEMS,
    TABLE_1,
    TABLE_2,
    System,
    SystemPair,
    configure,
    find_system,
    lends_level_1,
)


@pytest.fixture(scope="module")
def base() -> TrainingConfig:
    return load_config("benchmark-smoke")


def network(name: str, base: TrainingConfig) -> USegNet:
    built = new_level(configure(SYSTEMS[name], base)).network
    inner = built.network if isinstance(built, SliceNetwork) else built
    assert isinstance(inner, USegNet)
    return inner


def modules(built: USegNet) -> list[str]:
    return [name for name, part in built.named_children() if isinstance(part, AttentionModule)]


def test_the_tables_have_the_papers_thirteen_systems() -> None:
    assert len({*TABLE_1, *TABLE_2}) == 13
    assert (len(TABLE_1), len(TABLE_2)) == (9, 7)
    for name in {*TABLE_1, *TABLE_2}:
        paper = SYSTEMS[name].paper
        assert paper is not None
        assert paper.conformity == pytest.approx(100 * (3 * paper.dsc - 200) / paper.dsc, abs=0.15)
        assert paper.jaccard == pytest.approx(100 * paper.dsc / (200 - paper.dsc), abs=0.15)


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_answers_a_volume(name: str, base: TrainingConfig) -> None:
    level = new_level(configure(SYSTEMS[name], base)).eval()
    with torch.inference_mode():
        logits: HeadLogits = level(torch.randn(1, 1, 16, 24, 8))
    assert logits.main.shape == (1, 1, 16, 24, 8)
    assert all(torch.isfinite(part).all() for part in (logits.main, logits.half, logits.quarter))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("USegNet-DS", []),
        ("SAM-1", ["sam3"]),
        ("SAM-12", ["sam2", "sam3"]),
        ("USegNet-DS-SAM", ["sam1", "sam2", "sam3"]),
        ("UAM-1", ["uam1"]),
        ("UAM-12", ["uam1", "uam2"]),
        ("USegNet-DS-HAS", ["sam1", "sam2", "sam3", "uam1", "uam2", "uam3"]),
    ],
)
def test_attention_stands_where_the_paper_puts_it(name: str, expected: list[str], base: TrainingConfig) -> None:
    assert modules(network(name, base)) == expected


def test_auxiliary_heads_sit_on_the_concatenation_where_the_uam_is_missing(base: TrainingConfig) -> None:
    channels = {name: network(name, base) for name in ("USegNet-DS", "UAM-1", "USegNet-DS-UAM")}
    heads = {name: (n.head_quarter.in_channels, n.head_half.in_channels) for name, n in channels.items()}
    joined = 2 * base.network.scale_channels(64)
    assert heads == {
        "USegNet-DS": (joined, joined),
        "UAM-1": (base.network.decoder_channels, joined),
        "USegNet-DS-UAM": (base.network.decoder_channels,) * 2,
    }


def test_the_deconvolution_network_has_no_skips(base: TrainingConfig) -> None:
    built = network("3D-DeconvNet", base).eval()
    volume = torch.randn(1, 1, 8, 8, 16)
    with torch.inference_mode():
        e4 = built.encoder4(built.pool(built.encoder3(built.pool(built.encoder2(built.pool(built.encoder1(volume)))))))
        expected = built.head_main(built.up3(built.up2(built.up1(e4))))
        assert torch.equal(built(volume).main, expected)


def test_slices_know_nothing_of_each_other(base: TrainingConfig) -> None:
    level = new_level(configure(SYSTEMS["2D-USegNet"], base)).eval()
    volume = torch.randn(1, 1, 3, 16, 16)
    with torch.inference_mode():
        whole = level.probability(volume)
        alone = torch.cat([level.probability(volume[:, :, n : n + 1]) for n in range(3)], dim=2)
    assert torch.allclose(whole, alone, atol=1e-5)


def test_systems_differ_from_their_preset_only_by_their_switches(base: TrainingConfig) -> None:
    plain, deep = (configure(SYSTEMS[name], base) for name in ("USegNet", "USegNet-DS"))
    assert not plain.loss.deep_supervision
    changed = deep.model_copy(update={"name": plain.name, "description": plain.description, "loss": plain.loss})
    assert changed == plain
    tiles = configure(SYSTEMS["p-USegNet"], load_config("benchmark-gpu")).network
    assert (tiles.view, tiles.tile_voxels) == ("tiles", 64)


def test_slices_may_have_the_original_resolution() -> None:
    config = configure(SYSTEMS["2D-USegNet"], load_config("benchmark-gpu"))
    assert config.preprocessing.spacing_mm == config.level[0].stage[-1].spacing_mm == 0.38
    assert all(n % 8 == 0 for n in config.level[0].stage[-1].shape)
    assert config.network.slices_per_step > 0


def test_systems_are_found_by_name() -> None:
    assert find_system("usegnet_ds_has_ctx").name == find_system("USegNet-DS-HAS-Ctx").name
    with pytest.raises(ConfigError, match="3D-DeconvNet"):
        find_system("VNet")


PARTS = (("sam",), ("uam", "merge"), ("skips",), ("deep_supervision",), ("context_levels",), ("view",))
"""What a system has; UAM and what stands in its place are one part."""


def parts(system: System) -> list[tuple[object, ...]]:
    return [tuple(getattr(system, name) for name in part) for part in PARTS]


@pytest.mark.parametrize("pair", COMPARISONS, ids=lambda pair: f"{pair.system} {pair.against}")
def test_compared_systems_differ_in_one_part(pair: SystemPair) -> None:
    this, other = SYSTEMS[pair.system], SYSTEMS[pair.against]
    assert sum(a != b for a, b in zip(parts(this), parts(other), strict=True)) == 1


def test_every_system_is_compared() -> None:
    assert {name for pair in COMPARISONS for name in (pair.system, pair.against)} == set(SYSTEMS)
    assert len({(pair.system, pair.against) for pair in COMPARISONS}) == len(COMPARISONS)


def test_only_auto_context_builds_on_another_systems_networks() -> None:
    lending = [(a.name, b.name) for a in SYSTEMS.values() for b in SYSTEMS.values() if lends_level_1(a, b)]
    assert lending == [("USegNet-DS-HAS", "USegNet-DS-HAS-Ctx")]


def test_scales_of_the_comparison_are_one_experiment() -> None:
    small, middle, large = (load_config(f"benchmark-{scale}") for scale in ("smoke", "cpu", "gpu"))
    assert small.augmentation == middle.augmentation == large.augmentation
    assert small.loss == middle.loss == large.loss
    assert small.cascade == middle.cascade == large.cascade
    assert not large.augmentation.flip
    assert not large.augmentation.half_turns
