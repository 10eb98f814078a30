"""Degradation of scans for calibration: deep shadow, lost contrast, noise, blur, low gain, cut views."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from app.imaging.volume import Volume

Image = NDArray[np.float32]
WORST = 3


def degrade(volume: Volume, rng: np.random.Generator) -> Volume:
    """Apply one to three strong degradations to a u8 volume; voxels outside the fan stay 0."""
    image = volume.data.astype(np.float32) / 255
    inside = volume.data > 0
    for n in sorted(rng.choice(len(_WAYS), rng.integers(1, WORST + 1), replace=False)):  # the cut comes last
        image = _WAYS[n](image, rng)
    degraded = np.where(inside & (image >= 0), np.clip(np.rint(image * 255), 1, 255), 0)
    return Volume(degraded.astype(np.uint8), volume.geometry)


def _shadow(image: Image, rng: np.random.Generator) -> Image:
    """Darken everything beyond an oblique plane."""
    beyond = _measure_distance(image.shape, rng) > rng.uniform(-0.15, 0.25)
    return np.where(beyond, image * np.float32(rng.uniform(0, 0.3)), image)


def _flatten(image: Image, rng: np.random.Generator) -> Image:
    """Reduce the contrast to values near one grey."""
    share = np.float32(rng.uniform(0.1, 0.4))
    return np.asarray(share * image + (1 - share) * np.float32(rng.uniform(0.2, 0.6)), np.float32)


def _add_noise(image: Image, rng: np.random.Generator) -> Image:
    """Add coarse noise."""
    field = ndimage.gaussian_filter(rng.standard_normal(image.shape, np.float32), rng.uniform(0.5, 1.5))
    noisy = image + np.float32(rng.uniform(0.15, 0.4)) * field / field.std()
    return np.asarray(np.clip(noisy, 0, 1), np.float32)


def _blur(image: Image, rng: np.random.Generator) -> Image:
    """Blur by 3 to 6 voxels."""
    return np.asarray(ndimage.gaussian_filter(image, rng.uniform(3, 6)), np.float32)


def _darken(image: Image, rng: np.random.Generator) -> Image:
    """Lower the gain far too much."""
    return np.asarray(image ** np.float32(rng.uniform(2.5, 5)), np.float32)


def _cut(image: Image, rng: np.random.Generator) -> Image:
    """Cut the view at an oblique plane; voxels outside are marked with -1."""
    return np.where(_measure_distance(image.shape, rng) > rng.uniform(-0.1, 0.2), np.float32(-1), image)


def _measure_distance(shape: tuple[int, ...], rng: np.random.Generator) -> Image:
    """Return the signed distance from a random plane through the middle, in units of the longest side."""
    normal = rng.standard_normal(3)
    normal /= np.linalg.norm(normal)
    axes = [(np.arange(n, dtype=np.float32) - (n - 1) / 2) / max(shape) for n in shape]
    i, j, k = (axis * np.float32(component) for axis, component in zip(axes, normal, strict=True))
    return np.asarray(i[:, None, None] + j[None, :, None] + k[None, None, :], np.float32)


_WAYS: tuple[Callable[[Image, np.random.Generator], Image], ...] = (_shadow, _flatten, _add_noise, _blur, _darken, _cut)
