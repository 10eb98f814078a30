"""A picture of the head's surface: its mask seen from two sides, lit from above left."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from app.imaging.postprocess import bounding_box
from app.imaging.resample import resample
from app.imaging.volume import Volume, VolumeGeometry
from app.pictures.preview import encode_png

STEP_MM: Final = 1.0
SMOOTHING: Final = 1.2
HALF: Final = 0.5
VIEW: Final = 360
AIR: Final = 6
GAP: Final = 10
SCALE_MM: Final = 20
ELEVATION: Final = math.radians(20)
AZIMUTHS: Final = (math.radians(30), math.radians(120))
LIGHT: Final = np.array([-0.45, -0.6, -0.66])
AMBIENT: Final = 0.25
SKIN: Final = np.array([222.0, 170.0, 140.0])
PAPER: Final = 255
INK: Final = (60, 60, 60)


def draw_surface(mask: NDArray[np.uint8], geometry: VolumeGeometry) -> bytes | None:
    """Draw a PNG on white with both views and a scale, for a mask (0/1) on `geometry`'s grid.

    Return None for a mask that is empty, or too small or thin to be seen.
    """
    if not mask.any():
        return None
    solid = _smooth(mask, geometry)
    size = math.ceil(math.hypot(*solid.shape)) + 4
    views = [_render(solid, azimuth, size) for azimuth in AZIMUTHS]
    if any((view == PAPER).all() for view in views):
        return None
    margin = min(_measure_margin(view) for view in views)
    picture = Image.new("RGB", (2 * VIEW + GAP, VIEW), (PAPER,) * 3)
    for number, view in enumerate(views):
        middle = Image.fromarray(view[margin : size - margin, margin : size - margin])
        picture.paste(middle.resize((VIEW, VIEW), Image.Resampling.LANCZOS), (number * (VIEW + GAP), 0))
    _draw_scale(picture, VIEW / ((size - 2 * margin) * STEP_MM))
    return encode_png(picture)


def _measure_margin(view: NDArray[np.uint8]) -> int:
    """Return how many pixels along every border are empty, less a little space."""
    used = (view != PAPER).any(axis=-1)
    edges = [np.flatnonzero(used.any(axis=axis)) for axis in (0, 1)]
    return max(0, min(min(int(e[0]), len(used) - 1 - int(e[-1])) for e in edges) - AIR)


def _smooth(mask: NDArray[np.uint8], geometry: VolumeGeometry) -> NDArray[np.float32]:
    """Crop the mask to the head, resample it to an isotropic grid and smooth it."""
    start, stop = bounding_box(mask > 0, 2)
    box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    head = Volume(np.ascontiguousarray(mask[box], dtype=np.float32), geometry.crop(start, stop))
    even = resample(head, head.geometry.rescale(STEP_MM), fill=0.0).data
    return ndimage.gaussian_filter(np.pad(even, 4), SMOOTHING)


def _render(solid: NDArray[np.float32], azimuth: float, size: int) -> NDArray[np.uint8]:
    """Render the first surface along each parallel line of sight, shaded by its slope: (size, size, 3)."""
    rotated = _rotate(solid, azimuth, size)
    inside = rotated >= HALF
    hit = np.asarray(inside.any(axis=2))
    depth = inside.argmax(axis=2)[..., None]
    slopes: list[NDArray[Any]] = list(np.gradient(rotated))
    normal = np.concatenate([np.take_along_axis(slope, depth, axis=2) for slope in slopes], axis=2)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    light = LIGHT / np.linalg.norm(LIGHT)
    lit = AMBIENT + (1 - AMBIENT) * np.clip(-(normal @ light), 0, 1)
    picture = np.where(hit[..., None], lit[..., None] * SKIN, PAPER)
    found: NDArray[np.uint8] = picture.astype(np.uint8)
    return found


def _rotate(solid: NDArray[np.float32], azimuth: float, size: int) -> NDArray[np.float32]:
    """Resample to rows down, columns right, depth away from the viewer; the source's last axis is upright."""
    c, s, ce, se = math.cos(azimuth), math.sin(azimuth), math.cos(ELEVATION), math.sin(ELEVATION)
    right = np.array([c, s, 0.0])
    away = np.array([-s * ce, c * ce, -se])
    down = np.cross(away, right)
    matrix = np.stack([down, right, away], axis=1)
    offset = (np.array(solid.shape) - 1) / 2 - matrix @ np.full(3, (size - 1) / 2)
    rotated: NDArray[Any] = ndimage.affine_transform(solid, matrix, offset, (size,) * 3, order=1)
    return rotated.astype(np.float32, copy=False)


def _draw_scale(picture: Image.Image, pixels_per_mm: float) -> None:
    length, bottom = round(SCALE_MM * pixels_per_mm), VIEW - 6
    right = picture.width - 8
    draw = ImageDraw.Draw(picture)
    draw.line([(right - length, bottom), (right, bottom)], fill=INK, width=3)
    draw.text((right - length, bottom - 26), f"{SCALE_MM} mm", fill=INK, font=ImageFont.load_default(18))
