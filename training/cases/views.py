"""What a network sees at once: the whole volume, tiles of it or its slices (paper section 3.2)."""

from collections.abc import Callable

import numpy as np
import torch

from training.cases.augment import Sample
from training.config.network import NetworkConfig

Level = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]
"""(volume, context or None) -> probability, all (N, 1, I, J, K)."""

FLAT = 0.05
"""SD, in z-scores, below which nothing is seen."""
TRIES = 20


def draw_view(sample: Sample, config: NetworkConfig, rng: np.random.Generator) -> Sample:
    """Draw the part of a training sample that one step learns from; the sample itself for whole volumes.

    Tiles: as many as hold the volume's voxels, at random places, (N, 1, T, T, T). Slices: `slices_per_step` of them.
    What lies outside the field of view is left out: the norm of a constant image has no gradient worth following.
    """
    if config.view == "tiles":
        return _draw_tiles(sample, config.tile_voxels, rng)
    if config.view == "slices":
        return _draw_slices(sample, config.slices_per_step, rng)
    return sample


def run_in_view(level: Level, config: NetworkConfig) -> Level:
    """Let a level run on whole volumes: for tiles by a sliding window whose overlaps are averaged by a Gaussian."""
    if config.view != "tiles":
        return level
    from monai.inferers.inferer import SlidingWindowInferer  # noqa: PLC0415  # seconds that only tiles need

    size, overlap = config.tile_voxels, config.tile_overlap

    def probability(volume: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        outside = float(volume.min())
        inferer = SlidingWindowInferer(size, sw_batch_size=4, overlap=overlap, mode="gaussian", cval=outside)
        answer = inferer(volume, lambda tiles: level(tiles, context))
        if not isinstance(answer, torch.Tensor):
            raise TypeError(f"a sliding window over one output gives one tensor, got {type(answer)}")
        return answer

    return probability


def _draw_tiles(sample: Sample, size: int, rng: np.random.Generator) -> Sample:
    shape = sample.volume.shape[2:]
    edges = [min(size, n) for n in shape]
    count = max(1, round(float(np.prod(shape)) / float(np.prod(edges))))
    boxes = [_draw_box(sample.volume, edges, rng) for _ in range(count)]
    volume, truth = (torch.cat([part[:, :, i, j, k] for i, j, k in boxes]) for part in (sample.volume, sample.truth))
    return Sample(volume, truth)


def _draw_box(volume: torch.Tensor, edges: list[int], rng: np.random.Generator) -> tuple[slice, slice, slice]:
    """Draw a place where there is something to see; the middle where chance finds none."""
    shape = volume.shape[2:]
    for _ in range(TRIES):
        start = [int(rng.integers(n - edge + 1)) for n, edge in zip(shape, edges, strict=True)]
        i, j, k = (slice(a, a + edge) for a, edge in zip(start, edges, strict=True))
        if float(volume[:, :, i, j, k].std()) > FLAT:
            return i, j, k
    i, j, k = (slice((n - edge) // 2, (n - edge) // 2 + edge) for n, edge in zip(shape, edges, strict=True))
    return i, j, k


def _draw_slices(sample: Sample, count: int, rng: np.random.Generator) -> Sample:
    seen = np.flatnonzero(sample.volume[0, 0].flatten(1).std(dim=1).numpy() > FLAT)
    if len(seen) == 0:
        seen = np.array([sample.volume.shape[2] // 2])
    if 0 < count < len(seen):
        seen = np.sort(rng.choice(seen, count, replace=False))
    chosen = torch.from_numpy(seen)
    return Sample(sample.volume[:, :, chosen], sample.truth[:, :, chosen])
