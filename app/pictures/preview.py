"""A picture of a measured volume: three orthogonal planes through the head, its outline, a scale and the result."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from app.contract.value import Verdict
from app.imaging.arrays import Bool
from app.imaging.volume import Volume, VolumeGeometry
from app.pictures.uncertainty import Plane, PlaneUncertainty, Uncertainty

PANEL: Final = 360
MARGIN: Final = 12
TEXT_HEIGHT: Final = 74
PLANES_HEIGHT: Final = PANEL + 2 * MARGIN
FLAGS_LENGTH: Final = 100
Colour = tuple[int, int, int]
BACKGROUND: Final = (16, 18, 22)
TEXT_COLOUR: Final = (232, 234, 238)
OUTLINE: Final = {"ok": (64, 220, 120), "review": (255, 190, 40), "reject": (255, 80, 80)}
SOFT: Final = (255, 110, 215)
CUT_OFF: Final = (0, 205, 255)
DISAGREE: Final = (150, 120, 255)
LEGEND: Final = {
    "soft": ("dashed: the network is unsure where the outline runs", SOFT),
    "cut_off": ("thick: at the edge of the field of view", CUT_OFF),
    "disagree": ("filled: the two levels disagree", DISAGREE),
}
STAMP_SIZE: Final = 150
STAMP_DEGREES: Final = 14.0
FILL_OPACITY: Final = 0.45
DASH_PIXELS: Final = 5
LEGEND_LEFT: Final = 740
DARKEST_PERCENTILE: Final = 1.0
BRIGHTEST_PERCENTILE: Final = 99.5
COMPRESSION: Final = 3
SMALLEST_RANGE: Final = 1e-6
SCALE_MM: Final = 20.0
PLANES: Final = (("j", "k"), ("i", "k"), ("i", "j"))
"""The axes that run down and to the right in the plane across each axis."""
NOTICE: Final = "Research use only, not for diagnosis"


@dataclass(frozen=True)
class PreviewText:
    """The text below the planes; `head_volume_ml` is None where there is no volume.

    `review` is what a reader decided, by whom and when; `stamp` is written across the planes.
    """

    verdict: Verdict
    head_volume_ml: float | None
    interval_ml: tuple[float, float] | None
    flags: tuple[str, ...]
    model: str
    review: str | None = None
    stamp: str | None = None


def draw_preview(
    volume: Volume, mask: NDArray[np.uint8], text: PreviewText, uncertainty: Uncertainty | None = None
) -> bytes:
    """Draw a PNG of the three planes through the middle of the mask, or of the volume where the mask is empty.

    All planes share one scale (mm per pixel). `mask` has the shape of the volume. Uncertain parts of the outline are
    marked where `uncertainty` is given.
    """
    return draw_outline(draw_planes(volume, mask), volume.geometry, mask, mask, text, uncertainty)


def draw_planes(volume: Volume, mask: NDArray[np.uint8]) -> Image.Image:
    """Draw the three planes through the middle of the mask in grey, side by side and without an outline."""
    picture = Image.new("L", (3 * PANEL, PANEL))
    for plane in _choose_planes(volume.geometry, mask):
        grey = Image.fromarray(_scale_to_bytes(_cut_plane(volume.data, plane)))
        size = (plane.width, plane.height)
        picture.paste(grey.resize(size, Image.Resampling.BILINEAR), (plane.axis * PANEL, 0))
    return picture


def draw_outline(
    planes: Image.Image,
    geometry: VolumeGeometry,
    located_by: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    text: PreviewText,
    uncertainty: Uncertainty | None = None,
) -> bytes:
    """Draw a PNG of planes with the outline of a mask and a text; the planes run through the middle of `located_by`."""
    picture = Image.new("RGB", (3 * PANEL + 4 * MARGIN, PLANES_HEIGHT + TEXT_HEIGHT), BACKGROUND)
    marks: set[str] = set()
    for plane, (rows, columns) in zip(_choose_planes(geometry, located_by), PLANES, strict=True):
        left = plane.axis * PANEL
        grey = planes.crop((left, 0, left + plane.width, plane.height))
        drawn, found = _draw_plane(grey, geometry, mask, plane, OUTLINE[text.verdict], uncertainty)
        marks |= found
        left = MARGIN + plane.axis * (PANEL + MARGIN)
        picture.paste(drawn, (left + (PANEL - drawn.width) // 2, MARGIN + (PANEL - drawn.height) // 2))
        title = f"{'ijk'[plane.axis]} = {plane.index} of {geometry.shape[plane.axis]}: {rows} down, {columns} right"
        _write(picture, (left + 4, MARGIN + 2), title, 12)
    _draw_scale(picture, _pixel_mm(geometry))
    if text.stamp is not None:
        _draw_stamp(picture, text.stamp)
    _write_result(picture, text)
    _write_legend(picture, marks)
    return encode_png(picture)


def crop_to_planes(preview_png: bytes) -> bytes:
    """Return the part of a preview with the planes, as a PNG, for a page with its own text."""
    with Image.open(io.BytesIO(preview_png)) as picture:
        return encode_png(picture.convert("RGB").crop((0, 0, picture.width, PLANES_HEIGHT)))


def _find_centre(mask: NDArray[np.uint8]) -> tuple[int, int, int]:
    shadow = np.any(mask, axis=0)
    profiles = (np.any(mask, axis=(1, 2)), np.any(shadow, axis=1), np.any(shadow, axis=0))
    i, j, k = (_find_middle(profile) for profile in profiles)
    return i, j, k


def _find_middle(profile: NDArray[Any]) -> int:
    occupied = np.flatnonzero(profile)
    return profile.size // 2 if occupied.size == 0 else int(occupied[0] + occupied[-1]) // 2


def _choose_planes(geometry: VolumeGeometry, mask: NDArray[np.uint8]) -> list[Plane]:
    pixel_mm = _pixel_mm(geometry)
    planes = []
    for axis, index in enumerate(_find_centre(mask)):
        height_mm, width_mm = (geometry.extent_mm[other] for other in range(3) if other != axis)
        planes.append(Plane(axis, index, max(1, round(height_mm / pixel_mm)), max(1, round(width_mm / pixel_mm))))
    return planes


def _pixel_mm(geometry: VolumeGeometry) -> float:
    return max(geometry.extent_mm) / PANEL


def _draw_plane(
    grey: Image.Image,
    geometry: VolumeGeometry,
    mask: NDArray[np.uint8],
    plane: Plane,
    colour: Colour,
    uncertainty: Uncertainty | None,
) -> tuple[Image.Image, set[str]]:
    """Draw the plane with its outline; return the kinds of uncertainty that are marked on it, too."""
    head = Image.fromarray(_cut_plane(mask, plane).astype(np.uint8) * 255)
    inside = np.asarray(head.resize(grey.size, Image.Resampling.BILINEAR)) > 127
    outline = inside & ~ndimage.binary_erosion(inside, iterations=2, border_value=0)
    picture = np.stack([np.asarray(grey)] * 3, axis=-1)
    if uncertainty is None or not outline.any():
        picture[outline] = colour
        return Image.fromarray(picture), set()
    return _mark(picture, outline, colour, uncertainty.sample(plane, geometry))


def _mark(
    picture: NDArray[np.uint8], outline: Bool, colour: Colour, uncertainty: PlaneUncertainty
) -> tuple[Image.Image, set[str]]:
    """Mark each kind of uncertainty by colour and by shape: a fill, dashes, a thick line."""
    cut_off = outline & uncertainty.cut_off
    soft = outline & uncertainty.soft & ~cut_off
    fill = uncertainty.disagree & ~outline
    picture[fill] = (1 - FILL_OPACITY) * picture[fill] + FILL_OPACITY * np.array(DISAGREE)
    picture[outline & ~soft & ~cut_off] = colour
    picture[soft & _draw_dashes(soft.shape)] = SOFT
    picture[ndimage.binary_dilation(cut_off, iterations=1)] = CUT_OFF
    marks = {"disagree": fill, "soft": soft, "cut_off": cut_off}
    return Image.fromarray(picture), {name for name, pixels in marks.items() if pixels.any()}


def _draw_dashes(shape: tuple[int, ...]) -> Bool:
    rows, columns = np.indices(shape, sparse=True)
    dashes: Bool = (rows + columns) // DASH_PIXELS % 2 == 0
    return dashes


def _cut_plane(data: NDArray[Any], plane: Plane) -> NDArray[Any]:
    """Return a view, since `np.take` would first copy the whole array into another memory order."""
    view: NDArray[Any] = data[(slice(None),) * plane.axis + (plane.index,)]
    return view


def _scale_to_bytes(plane: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale the grey values between the plane's darkest and brightest percentile to 0 to 255."""
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


def _draw_stamp(picture: Image.Image, text: str) -> None:
    """Write a word across the planes, from corner to corner."""
    layer = Image.new("L", (picture.width, PLANES_HEIGHT))
    font = ImageFont.load_default(STAMP_SIZE)
    ImageDraw.Draw(layer).text((layer.width / 2, layer.height / 2), text, fill=255, font=font, anchor="mm")
    picture.paste(OUTLINE["reject"], (0, 0), layer.rotate(STAMP_DEGREES, Image.Resampling.BILINEAR))


def _write_result(picture: Image.Image, text: PreviewText) -> None:
    top = PLANES_HEIGHT
    _write(picture, (MARGIN, top), _format_result(text), 22, OUTLINE[text.verdict])
    flags = ", ".join(flag.replace("_", " ") for flag in text.flags) if text.flags else "no flags"
    below = flags if text.review is None else text.review
    _write(picture, (MARGIN, top + 28), below if len(below) <= FLAGS_LENGTH else below[:FLAGS_LENGTH] + " ...", 13)
    _write(picture, (MARGIN, top + 48), f"{text.model}. {NOTICE}", 13)


def _write_legend(picture: Image.Image, marks: set[str]) -> None:
    shown = [meaning for name, meaning in LEGEND.items() if name in marks]
    for row, (meaning, colour) in enumerate(shown):
        top = PLANES_HEIGHT + 4 + 22 * row
        ImageDraw.Draw(picture).rectangle([(LEGEND_LEFT, top + 2), (LEGEND_LEFT + 14, top + 12)], fill=colour)
        _write(picture, (LEGEND_LEFT + 22, top - 1), meaning, 13)


def encode_png(picture: Image.Image) -> bytes:
    """Return the picture as a PNG file."""
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=COMPRESSION)
    return file.getvalue()


def _format_result(text: PreviewText) -> str:
    if text.stamp is not None:
        return f"{text.stamp}: no volume"
    if text.head_volume_ml is None:
        return f"{text.verdict}: no volume"
    if text.review is not None:
        return f"{text.head_volume_ml:.1f} mL"
    interval = "" if text.interval_ml is None else f" (95 %: {text.interval_ml[0]:.0f} to {text.interval_ml[1]:.0f})"
    return f"{text.head_volume_ml:.1f} mL{interval}, {text.verdict}"


def _write(picture: Image.Image, at: tuple[int, int], text: str, size: int, colour: Colour = TEXT_COLOUR) -> None:
    ImageDraw.Draw(picture).text(at, text, fill=colour, font=ImageFont.load_default(size))
