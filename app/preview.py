"""A picture of a measured volume: three orthogonal planes through the head, its outline, a scale and the result."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from app.imaging.volume import Volume

PANEL: Final = 360
MARGIN: Final = 12
TEXT_HEIGHT: Final = 74
BACKGROUND: Final = (16, 18, 22)
TEXT_COLOUR: Final = (232, 234, 238)
OUTLINE: Final = {"ok": (64, 220, 120), "review": (255, 190, 40), "reject": (255, 80, 80)}
DARKEST_PERCENTILE: Final = 1.0
BRIGHTEST_PERCENTILE: Final = 99.5
COMPRESSION: Final = 3
SMALLEST_RANGE: Final = 1e-6
SCALE_MM: Final = 20.0
PLANES: Final = (("j", "k", 0), ("i", "k", 1), ("i", "j", 2))
NOTICE: Final = "Research use only, not for diagnosis"


@dataclass(frozen=True)
class PreviewText:
    """What is written below the planes; `head_volume_ml` is None where no volume may be given."""

    verdict: str
    head_volume_ml: float | None
    interval_ml: tuple[float, float] | None
    flags: tuple[str, ...]
    model: str


def draw_preview(volume: Volume, mask: NDArray[np.uint8], text: PreviewText) -> bytes:
    """A PNG of the three planes through the middle of the mask, or through the volume's centre where it is empty.

    All planes share one scale (mm per pixel). `mask` has the shape of the volume.
    """
    centre = _centre(mask)
    pixel_mm = max(volume.geometry.extent_mm) / PANEL
    picture = Image.new("RGB", (3 * PANEL + 4 * MARGIN, PANEL + 2 * MARGIN + TEXT_HEIGHT), BACKGROUND)
    for panel, (rows, columns, axis) in enumerate(PLANES):
        plane = _draw_plane(volume, mask, axis, centre[axis], pixel_mm, OUTLINE[text.verdict])
        left = MARGIN + panel * (PANEL + MARGIN)
        picture.paste(plane, (left + (PANEL - plane.width) // 2, MARGIN + (PANEL - plane.height) // 2))
        _write(picture, (left + 4, MARGIN + 2), f"{rows} down, {columns} right", 12)
    _draw_scale(picture, pixel_mm)
    _write_result(picture, text)
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=COMPRESSION)
    return file.getvalue()


def _centre(mask: NDArray[np.uint8]) -> tuple[int, int, int]:
    shadow = np.any(mask, axis=0)
    profiles = (np.any(mask, axis=(1, 2)), np.any(shadow, axis=1), np.any(shadow, axis=0))
    i, j, k = (_middle(profile) for profile in profiles)
    return i, j, k


def _middle(profile: NDArray[Any]) -> int:
    occupied = np.flatnonzero(profile)
    return profile.size // 2 if occupied.size == 0 else int(occupied[0] + occupied[-1]) // 2


def _draw_plane(
    volume: Volume, mask: NDArray[np.uint8], axis: int, index: int, pixel_mm: float, colour: tuple[int, int, int]
) -> Image.Image:
    height_mm, width_mm = (volume.geometry.extent_mm[other] for other in range(3) if other != axis)
    size = (max(1, round(width_mm / pixel_mm)), max(1, round(height_mm / pixel_mm)))
    grey = Image.fromarray(_as_bytes(_plane(volume.data, axis, index))).resize(size, Image.Resampling.BILINEAR)
    head = Image.fromarray(_plane(mask, axis, index).astype(np.uint8) * 255)
    inside = np.asarray(head.resize(size, Image.Resampling.BILINEAR)) > 127
    picture = np.stack([np.asarray(grey)] * 3, axis=-1)
    picture[inside & ~ndimage.binary_erosion(inside, iterations=2, border_value=0)] = colour
    return Image.fromarray(picture)


def _plane(data: NDArray[Any], axis: int, index: int) -> NDArray[Any]:
    """A view: `np.take` would copy the whole array into another memory order first."""
    plane: NDArray[Any] = data[(slice(None),) * axis + (index,)]
    return plane


def _as_bytes(plane: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey values 0 to 255 between the plane's darkest and brightest percentile."""
    values = np.ascontiguousarray(plane, dtype=np.float32)
    low, high = (float(np.percentile(values, percent)) for percent in (DARKEST_PERCENTILE, BRIGHTEST_PERCENTILE))
    scaled = (values - low) * (255 / max(high - low, SMALLEST_RANGE))
    grey: NDArray[np.uint8] = np.clip(scaled, 0, 255).astype(np.uint8)
    return grey


def _draw_scale(picture: Image.Image, pixel_mm: float) -> None:
    length, bottom = round(SCALE_MM / pixel_mm), MARGIN + PANEL - 6
    right = picture.width - MARGIN - 6
    ImageDraw.Draw(picture).line([(right - length, bottom), (right, bottom)], fill=TEXT_COLOUR, width=3)
    _write(picture, (right - length, bottom - 18), f"{SCALE_MM:g} mm", 12)


def _write_result(picture: Image.Image, text: PreviewText) -> None:
    top = PANEL + 2 * MARGIN
    _write(picture, (MARGIN, top), _result_line(text), 22, OUTLINE[text.verdict])
    flags = ", ".join(text.flags) if text.flags else "no flags"
    _write(picture, (MARGIN, top + 28), flags[:150], 13)
    _write(picture, (MARGIN, top + 48), f"{text.model}. {NOTICE}", 13)


def _result_line(text: PreviewText) -> str:
    if text.head_volume_ml is None:
        return f"{text.verdict}: no volume is given"
    interval = "" if text.interval_ml is None else f" ({text.interval_ml[0]:.0f} to {text.interval_ml[1]:.0f})"
    return f"{text.head_volume_ml:.1f} mL{interval}, {text.verdict}"


def _write(
    picture: Image.Image, at: tuple[int, int], text: str, size: int, colour: tuple[int, int, int] = TEXT_COLOUR
) -> None:
    ImageDraw.Draw(picture).text(at, text, fill=colour, font=ImageFont.load_default(size))
