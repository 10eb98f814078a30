"""Grey maps: from the levels that a scanner receives to grey values, 0 black and 1 white."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.phantom.looks import ScannerLook
from training.phantom.shapes import Field

_MEDIAN_GREY = (0.11, 0.24)
_BRIGHT_GREY = (0.40, 0.51)
"""Shares of white that the brain preset gives the head's median and 90 % quantile, within those of real scans."""
_ABOVE_BLACK_DB = (34, 50)
"""The level of that 90 % quantile above black."""


def compress(level: Field, look: ScannerLook) -> Field:
    """Compress levels, 1 where the scanner is saturated, in the way of a look."""
    if look.tone == "power":
        image = np.clip(level, 0, 1) ** np.float32(0.25 + 0.2 * look.gamma)
    else:
        image = np.clip(20 * np.log10(level + 1e-9) / look.dynamic_range + 1, 0, 1) ** np.float32(look.gamma)
    if look.tone == "adaptive":
        local = ndimage.uniform_filter(image, [max(n // 6, 3) for n in image.shape])
        image = np.clip(0.35 + 0.9 * (image - 0.75 * local), 0, 1)
    if look.s_curve:
        bent = image * image * (3 - 2 * image)
        image = image + np.float32(look.s_curve) * (bent - image)
    return np.asarray(image, np.float32)


def compress_for_brain(level: Field, region: NDArray[np.bool_], rng: np.random.Generator) -> Field:
    """Compress with the gain and the grey map that give the head's median and 90 % quantile their grey values."""
    dark, bright = rng.uniform(*_MEDIAN_GREY), rng.uniform(*_BRIGHT_GREY)
    level_db = 20 * np.log10(level + np.float32(1e-9))
    median, high = np.percentile((level_db[region] if region.any() else level_db.ravel())[::5], (50, 90))
    reach = rng.uniform(*_ABOVE_BLACK_DB)
    gamma = np.log(dark / bright) / np.log(np.clip(1 - (high - median) / reach, 0.05, 0.95))
    above_black = np.clip(1 + (level_db - high) / np.float32(reach), 0, None)
    return np.asarray(np.minimum(bright * above_black**gamma, 1), np.float32)
