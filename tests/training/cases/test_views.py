import numpy as np
import torch

from training.cases.augment import Sample
from training.cases.views import draw_view, run_in_view
from training.config.network import NetworkConfig

TILES = NetworkConfig(view="tiles", tile_voxels=16, tile_overlap=0.5)


def cube(*shape: int) -> torch.Tensor:
    return torch.arange(int(np.prod(shape)), dtype=torch.float32).reshape(1, 1, *shape)


def test_a_step_sees_as_many_tiles_as_hold_the_volumes_voxels() -> None:
    volume = cube(32, 40, 24)
    drawn = draw_view(Sample(volume, volume / 2), TILES, np.random.default_rng(1))
    assert drawn.volume.shape == (8, 1, 16, 16, 16)
    assert torch.equal(drawn.truth, drawn.volume / 2)
    steps = drawn.volume[0, 0].diff(dim=0)
    assert (steps == 40 * 24).all()


def test_tiles_are_no_larger_than_the_volume() -> None:
    drawn = draw_view(Sample(cube(8, 32, 16), cube(8, 32, 16)), TILES, np.random.default_rng(1))
    assert drawn.volume.shape == (2, 1, 8, 16, 16)


def test_a_step_sees_a_few_whole_slices_in_order() -> None:
    config = NetworkConfig(view="slices", slices_per_step=5)
    drawn = draw_view(Sample(cube(32, 8, 16), cube(32, 8, 16)), config, np.random.default_rng(1))
    numbers = drawn.volume[0, 0, :, 0, 0] / (8 * 16)
    assert len(set(numbers.tolist())) == 5
    assert (numbers.diff() > 0).all()
    assert draw_view(Sample(cube(4, 8, 8), cube(4, 8, 8)), config, np.random.default_rng(1)).volume.shape[2] == 4


def test_what_lies_outside_the_field_of_view_is_not_learned_from() -> None:
    volume = torch.full((1, 1, 32, 16, 16), -1.5)
    volume[:, :, 16:] = torch.randn(1, 1, 16, 16, 16)
    sample = Sample(volume, volume)
    tiles = draw_view(sample, TILES.model_copy(update={"tile_voxels": 8}), np.random.default_rng(1))
    assert float(tiles.volume.flatten(1).std(dim=1).min()) > 0.05
    slices = draw_view(sample, NetworkConfig(view="slices"), np.random.default_rng(1))
    assert torch.equal(slices.volume, volume[:, :, 16:])
    nothing = Sample(torch.zeros(1, 1, 16, 16, 16), torch.zeros(1, 1, 16, 16, 16))
    assert draw_view(nothing, NetworkConfig(view="slices"), np.random.default_rng(1)).volume.shape[2] == 1
    assert draw_view(nothing, TILES, np.random.default_rng(1)).volume.shape == (1, 1, 16, 16, 16)


def test_a_volume_is_answered_by_a_sliding_window_of_tiles() -> None:
    seen: list[tuple[int, ...]] = []

    def level(tiles: torch.Tensor, _: torch.Tensor | None) -> torch.Tensor:
        seen.extend(tuple(tile.shape) for tile in tiles)
        return tiles * 2

    for shape in ((40, 24, 32), (16, 16, 16), (12, 40, 20), (33, 17, 8)):
        volume = torch.randn(1, 1, *shape)
        found = run_in_view(level, TILES)(volume, None)
        assert found.shape == volume.shape
        assert torch.allclose(found, volume * 2, atol=1e-5)
    assert set(seen) == {(1, 16, 16, 16)}
