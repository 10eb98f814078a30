"""What a network sees at once: the whole volume, tiles of it or its slices (paper section 3.2)."""

from collections.abc import Callable

import numpy as np
import torch
from monai.inferers.inferer import SlidingWindowInferer

from training.augment import Sample
from training.config import NetworkConfig

Level = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]
"""(volume, context or None) -> probability, all (N, 1, I, J, K)."""


def drawn_view(sample: Sample, config: NetworkConfig, rng: np.random.Generator) -> Sample:
    """The part of a training sample that one step learns from; the sample itself for whole volumes.

    Tiles: as many as hold the volume's voxels, at random places, (N, 1, T, T, T). Slices: `slices_per_step` of them.
    """
    if config.view == "tiles":
        return _tiles(sample, config.tile_voxels, rng)
    slices = sample.volume.shape[2]
    if config.view == "slices" and 0 < config.slices_per_step < slices:
        chosen = torch.from_numpy(np.sort(rng.choice(slices, config.slices_per_step, replace=False)))
        return Sample(sample.volume[:, :, chosen], sample.truth[:, :, chosen])
    return sample


def in_view(level: Level, config: NetworkConfig) -> Level:
    """A level that answers whole volumes: for tiles by a sliding window whose overlaps are averaged by a Gaussian."""
    if config.view != "tiles":
        return level
    size, overlap = config.tile_voxels, config.tile_overlap

    def probability(volume: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        outside = float(volume.min())
        inferer = SlidingWindowInferer(size, sw_batch_size=4, overlap=overlap, mode="gaussian", cval=outside)
        answer = inferer(volume, lambda tiles: level(tiles, context))
        if not isinstance(answer, torch.Tensor):
            raise TypeError(f"a sliding window over one output gives one tensor, got {type(answer)}")
        return answer

    return probability


def _tiles(sample: Sample, size: int, rng: np.random.Generator) -> Sample:
    shape = sample.volume.shape[2:]
    edges = [min(size, n) for n in shape]
    count = max(1, round(float(np.prod(shape)) / float(np.prod(edges))))
    volumes, truths = [], []
    for _ in range(count):
        start = [int(rng.integers(n - edge + 1)) for n, edge in zip(shape, edges, strict=True)]
        i, j, k = (slice(a, a + edge) for a, edge in zip(start, edges, strict=True))
        volumes.append(sample.volume[:, :, i, j, k])
        truths.append(sample.truth[:, :, i, j, k])
    return Sample(torch.cat(volumes), torch.cat(truths))
