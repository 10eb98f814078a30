"""Looks: what probe, settings and shadows do to the intensities of a volume (I, J, K) in [0, 1]; painted volumes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch.nn import functional

from training.config.training import AugmentationConfig

LABELS = 64


Look = Callable[[torch.Tensor, torch.Generator], torch.Tensor]
"""One change of an image (I, J, K), its parameters drawn; the generator drives speckle and noise."""


@dataclass(frozen=True)
class Synthesis:
    """A volume painted from labels: an intensity per label, variation within tissues, speckle, share of the image."""

    intensities: tuple[float, ...]
    variation: float
    speckle: float
    grain: float
    blur: float
    share: float


def draw_looks(rng: np.random.Generator, config: AugmentationConfig) -> tuple[Look, ...]:
    """Draw which looks apply, in the order in which they arise in a scanner, with their parameters."""
    uniform = rng.uniform
    looks: list[Look] = []
    if rng.random() < config.speckle_probability:
        looks.append(partial(speckle, strength=uniform(0.1, 0.5), grain=uniform(1, 3)))
    if rng.random() < config.blur_probability:
        looks.append(partial(blur, sigma=tuple(uniform(0.2, 1.2, 3))))
    if rng.random() < config.gain_probability:
        looks.append(partial(gain, strength=uniform(0.1, 0.6), cells=int(rng.integers(2, 6))))
    if rng.random() < config.shadow_probability:
        looks += [_draw_shadow(rng) for _ in range(rng.integers(1, 4))]
    if rng.random() < config.band_probability:
        axis, start = int(rng.integers(3)), uniform(0, 0.9)
        looks.append(partial(band, axis=axis, start=start, width=uniform(0.02, 0.15), left=uniform(0, 0.6)))
    if rng.random() < config.contrast_probability:
        low, high = uniform(0, 0.04), uniform(0.65, 1.1)
        looks.append(partial(contrast, gamma=float(np.exp(uniform(-0.8, 0.5))), low=low, high=high))
    if rng.random() < config.noise_probability:
        looks.append(partial(noise, sigma=uniform(0.01, 0.08)))
    if rng.random() < config.erase_probability:
        looks.append(partial(erase, centre=tuple(uniform(0.1, 0.9, 3)), size=tuple(uniform(0.1, 0.4, 3))))
    return tuple(looks)


def draw_synthesis(rng: np.random.Generator) -> Synthesis:
    """Draw how a volume is painted; half of them keep a share of the real image."""
    return Synthesis(
        intensities=tuple(rng.uniform(0, 0.9, LABELS) ** rng.uniform(0.7, 2)),
        variation=rng.uniform(0, 0.5),
        speckle=rng.uniform(0.1, 0.7),
        grain=rng.uniform(1, 3.5),
        blur=rng.uniform(0.3, 1.2),
        share=float(rng.choice([0.0, rng.uniform(0.1, 0.7)])),
    )


def synthesise(
    image: torch.Tensor, tissues: torch.Tensor, drawn: Synthesis, generator: torch.Generator
) -> torch.Tensor:
    """Paint the labels (I, J, K) and mix with the real image."""
    painted = torch.tensor(drawn.intensities, dtype=torch.float32)[tissues.clamp(max=LABELS - 1)]
    painted = gain(painted, generator, drawn.variation, 6)
    painted = speckle(painted, generator, drawn.speckle, drawn.grain)
    painted = blur(painted, generator, (drawn.blur,) * 3).clamp(0, 1)
    return drawn.share * image + (1 - drawn.share) * painted


def speckle(image: torch.Tensor, generator: torch.Generator, strength: float, grain: float) -> torch.Tensor:
    """Multiply by speckle of unit mean whose grain is given in voxels."""
    cells = [max(2, round(n / grain)) for n in image.shape]
    return image * (1 + strength * random_field(image.shape, cells, generator)).clamp(min=0)


def gain(image: torch.Tensor, generator: torch.Generator, strength: float, cells: int) -> torch.Tensor:
    """Multiply by a smooth random gain; `strength` is the standard deviation of its logarithm."""
    return image * torch.exp(strength * random_field(image.shape, [cells] * 3, generator))


def random_field(shape: torch.Size, cells: list[int], generator: torch.Generator) -> torch.Tensor:
    """Draw Gaussian noise on a coarse lattice, interpolated to the shape (I, J, K)."""
    coarse = torch.randn((1, 1, *cells), generator=generator)
    return functional.interpolate(coarse, size=tuple(shape), mode="trilinear", align_corners=False)[0, 0]


def blur(image: torch.Tensor, generator: torch.Generator, sigma: tuple[float, ...]) -> torch.Tensor:
    """Blur with a Gaussian, one sigma in voxels per axis."""
    for axis, width in enumerate(sigma):
        reach = max(1, round(2.5 * width))
        taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / width) ** 2)
        shape, padding = [1, 1, 1, 1, 1], [0, 0, 0]
        shape[2 + axis], padding[axis] = len(taps), reach
        image = functional.conv3d(image[None, None], (taps / taps.sum()).reshape(shape), padding=padding)[0, 0]
    return image


def contrast(image: torch.Tensor, generator: torch.Generator, gamma: float, low: float, high: float) -> torch.Tensor:
    """Apply a monotone curve: window, then power."""
    return ((image - low) / (high - low)).clamp(0, 1) ** gamma


def noise(image: torch.Tensor, generator: torch.Generator, sigma: float) -> torch.Tensor:
    """Add white noise."""
    return image + sigma * torch.randn(image.shape, generator=generator)


def band(
    image: torch.Tensor, generator: torch.Generator, axis: int, start: float, width: float, left: float
) -> torch.Tensor:
    """Weaken the intensities between two planes; `left` is the share that stays."""
    n = image.shape[axis]
    factor = torch.ones(n)
    factor[int(start * n) : int((start + width) * n) + 1] = left
    shape = [1, 1, 1]
    shape[axis] = n
    return image * factor.reshape(shape)


def erase(
    image: torch.Tensor, generator: torch.Generator, centre: tuple[float, ...], size: tuple[float, ...]
) -> torch.Tensor:
    """Erase a box, centre and size as fractions of the grid."""
    erased = image.clone()
    middle, half = np.array(centre) * image.shape, np.array(size) * image.shape / 2
    i, j, k = zip(np.maximum(0, (middle - half).astype(int)), (middle + half).astype(int) + 1, strict=True)
    erased[slice(*i), slice(*j), slice(*k)] = 0
    return erased


def _draw_shadow(rng: np.random.Generator) -> Look:
    """Draw an apex outside of the volume and a wedge of rays from it."""
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    narrow = rng.uniform(0.03, 0.18)
    wedge = Wedge(
        apex=tuple(direction * rng.uniform(0.6, 1.4)),
        target=tuple(rng.uniform(-0.3, 0.3, 3)),
        across=tuple(rng.normal(size=3)),
        widths=(narrow, narrow * rng.uniform(1, 8)),
        start=rng.uniform(0.2, 0.9),
        left=rng.uniform(0, 0.5),
    )
    return partial(shadow, wedge=wedge)


@dataclass(frozen=True)
class Wedge:
    """A wedge of rays from an apex through a target, beyond the distance `start`; lengths in longest sides.

    `widths` are the tangents of the half angles along `across` and at right angles to it; `left` is what stays.
    """

    apex: tuple[float, ...]
    target: tuple[float, ...]
    across: tuple[float, ...]
    widths: tuple[float, float]
    start: float
    left: float


def shadow(image: torch.Tensor, generator: torch.Generator, wedge: Wedge) -> torch.Tensor:
    """Darken a wedge of rays."""
    longest = max(image.shape)
    axes = [(torch.arange(n, dtype=torch.float32) - (n - 1) / 2) / longest for n in image.shape]
    source = torch.tensor(wedge.apex, dtype=torch.float32)
    forward = functional.normalize(torch.tensor(wedge.target, dtype=torch.float32) - source, dim=0)
    side = functional.normalize(torch.linalg.cross(forward, torch.tensor(wedge.across, dtype=torch.float32)), dim=0)
    other = torch.linalg.cross(forward, side)
    depth, a, b = (_projection(axes, source, direction) for direction in (forward, side, other))
    depth = depth.clamp(min=1e-3)
    angle = (a / depth / wedge.widths[0]) ** 2 + (b / depth / wedge.widths[1]) ** 2
    beyond = torch.sigmoid((depth - wedge.start) * 40)
    shaded: torch.Tensor = image * (1 - (1 - wedge.left) * torch.exp(-(angle**2)) * beyond)
    return shaded


def _projection(axes: list[torch.Tensor], source: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """Return the coordinate of each voxel (I, J, K) along a direction, measured from the source."""
    i, j, k = ((axis - s) * d for axis, s, d in zip(axes, source, direction, strict=True))
    coordinate: torch.Tensor = i[:, None, None] + j[None, :, None] + k[None, None, :]
    return coordinate
