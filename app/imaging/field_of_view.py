"""The scanned fan within its box: what lies outside it, which echoes count, and where its hull runs.

Scan converters fill the box around the fan with one value, mostly 0; other programs write -1024, 255 or 32767 there.
Scanners write 0 for fluid, too, and a burnt-in mark or a dead voxel may be brighter than any echo. So nothing here
rests on the smallest or the largest value of a volume alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.spatial import ConvexHull, QhullError

from app.imaging.arrays import Bool
from app.imaging.components import find_components
from app.imaging.errors import NotMeasurable
from app.imaging.volume import AXES, Volume

SAMPLES = 300_000
RARE = 1e-4
"""Share of the echoes that may lie beyond the range which counts, at either end."""
UNUSUAL = 0.025
"""Share of the voxels that may be no echoes at all, such as burnt-in text, at either end."""
REACH_DOWN, REACH_UP = 0.25, 2.0
"""How far beyond the others echoes reach, as multiples of their range; what lies further away is none."""
FEW = 0.1
"""Between echoes and what is no echo lie fewer voxels than this share of the latter."""
FEWEST_STEPS = 32
"""Steps of single precision within the range of the echoes below which they are lost in rounding."""
RARE_ECHOES = 0.1
"""How far beyond that range echoes reach, as a share of it."""
BORDER_SHARE = 0.1
"""A value that fills at least this share of the box's faces is the fill value."""
CANDIDATES = 5
WIDEST_GAP = 0.5
"""A fill value further below the echoes than this share of their range is no scanner's black."""
BLACK_BELOW = 0.02
"""How far below the echoes black then lies, as a share of their range."""
POCKET_MM = 15.0
"""Fill this deep inside the fan's hull is fluid; the curved face of a probe leaves at most 12 mm."""
HULL_STEP_MM = 4.5
"""Whether there are pockets is seen on a grid as coarse as this."""
FLAT = 1e-4
"""Steps of the grid by which a voxel may lie beyond a face of the hull, since faces are rounded to as much."""


@dataclass(frozen=True)
class EchoRange:
    """The values that count in a volume: `low` to `high` are the echoes, `fill` stands outside the fan.

    `fill` is None where the scan fills its box.
    """

    low: float
    high: float
    fill: float | None

    @property
    def span(self) -> float:
        """The width of the range."""
        return self.high - self.low

    @property
    def black(self) -> float:
        """What stands for "no echo" where the fill value cannot: 0 where that is a scanner's black."""
        is_scanners_black = 0 <= self.low <= WIDEST_GAP * self.span
        return 0.0 if is_scanners_black else self.low - BLACK_BELOW * self.span

    @property
    def has_black_outside(self) -> bool:
        """Whether the fill value is a scanner's black, or there is none."""
        return self.fill is None or 0 <= self.low - self.fill <= WIDEST_GAP * self.span

    @property
    def has_echoes_like_fill(self) -> bool:
        """Whether echoes may have the fill value, too, so that the fan's edge has to be guessed."""
        return self.fill is not None and self.low < self.fill <= self.high + RARE_ECHOES * self.span

    @property
    def floor(self) -> float:
        """The smallest value that a voxel may have."""
        if self.fill is None:
            return self.low - self.span
        return self.fill if self.has_black_outside else self.black


def find_echo_range(data: NDArray[Any]) -> EchoRange:
    """Return which values of a volume (I, J, K) are echoes and which one stands outside the fan.

    Raises `NotMeasurable` where a value is not finite, where all are the same, and where they differ by too little for
    single precision.
    """
    lowest, highest = float(data.min()), float(data.max())
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise NotMeasurable("not_finite", "the volume holds values that are not finite")
    if lowest == highest:
        raise NotMeasurable("constant_image", f"every voxel has the value {lowest:g}", expected="an image")
    step = max(1, round((data.size / SAMPLES) ** (1 / 3)))
    sample = data[::step, ::step, ::step]
    fill = _fill_value(data, sample)
    echoes = sample.ravel() if fill is None else sample[sample != fill]
    if echoes.size == 0:
        echoes = data[data != fill]
    bottom, top = _reach_of_echoes(echoes)
    echoes = echoes[(bottom <= echoes) & (echoes <= top)]
    low, high = (float(value) for value in np.quantile(echoes, (RARE, 1 - RARE)))
    if low == high:
        low, high = lowest, highest
    _check_precision(low, high)
    return EchoRange(low, high, fill)


def clean_values(volume: Volume, echoes: EchoRange | None = None) -> Volume:
    """Return the volume with black outside its fan and without voxels far beyond its echoes; mostly it is that already.

    Echoes keep their values; their range is found where it is not given. Raises as `find_echo_range` does.
    """
    data, echoes = volume.data, echoes or find_echo_range(volume.data)
    top, floor = echoes.high + echoes.span, echoes.floor
    if echoes.has_black_outside and float(data.max()) <= top and float(data.min()) >= floor:
        return volume
    plain, black = np.array(data, dtype=np.float32), echoes.black if echoes.fill is None else floor
    plain[_beyond_the_fan(data, echoes, top)] = black
    plain[plain > top] = echoes.high
    plain[plain < floor] = black
    if not echoes.has_black_outside:
        plain[_outside(data, echoes)] = echoes.black
    return Volume(plain, volume.geometry)


def fill_pockets(field_of_view: Bool, spacing_mm: float) -> Bool:
    """Return the field of view (I, J, K) with the black pockets that reach into its hull: fluid, not the fan's edge.

    A field of view without such a pocket is returned itself.
    """
    step = max(1, round(HULL_STEP_MM / spacing_mm))
    coarse = field_of_view[::step, ::step, ::step]
    coarse_hull = _hull(coarse)
    if not _find_deep(coarse_hull & ~coarse, coarse_hull, step * spacing_mm).any():
        return field_of_view
    hull = _hull(field_of_view)
    missing = hull & ~field_of_view
    deep = _find_deep(missing, hull, spacing_mm)
    if not deep.any():
        return field_of_view
    return field_of_view | (missing & (distance_transform_edt(~deep) * spacing_mm <= 2 * POCKET_MM))


def _find_deep(missing: Bool, hull: Bool, spacing_mm: float) -> Bool:
    """Return what is missing further inside the hull than the curved face of a probe reaches."""
    steps_deep = distance_transform_edt(np.pad(hull, 1))[1:-1, 1:-1, 1:-1] - 0.5
    deep: Bool = missing & (steps_deep * spacing_mm > POCKET_MM)
    return deep


def _reach_of_echoes(echoes: NDArray[Any]) -> tuple[float, float]:
    """Return the values beyond which there are no echoes but marks, dead voxels, and a second value outside the fan."""
    low, high = (float(value) for value in np.quantile(echoes, (UNUSUAL, 1 - UNUSUAL)))
    if low == high:
        return -np.inf, np.inf
    return low - REACH_DOWN * (high - low), high + REACH_UP * (high - low)


def _check_precision(low: float, high: float) -> None:
    """Refuse echoes that single precision cannot tell apart, so far from 0."""
    least = FEWEST_STEPS * float(np.spacing(np.float32(max(abs(low), abs(high)))))
    if high - low < least:
        raise NotMeasurable(
            "values_out_of_range",
            f"the echoes reach from {low:.9g} to {high:.9g}, which single precision cannot tell apart",
            expected=f"a range of at least {least:.3g} there",
            remedy="export the volume without the offset",
        )


def _beyond_the_fan(data: NDArray[Any], echoes: EchoRange, top: float) -> Bool:
    """Return what is brighter than every echo and connected with the box's border: a second value outside the fan."""
    bright: Bool = data > top
    count, between = int(bright.sum()), int((data > echoes.high).sum()) - int(bright.sum())
    if count <= RARE * data.size or between > FEW * count:
        return np.zeros_like(bright)
    around = bright | (data < echoes.low - echoes.span)
    if echoes.fill is not None:
        around |= data == echoes.fill
    components = find_components(np.pad(around, 1, constant_values=True), 6)
    outside: Bool = components.only(components.at(0, 0, 0))[1:-1, 1:-1, 1:-1]
    return outside & bright


def _fill_value(data: NDArray[Any], sample: NDArray[Any]) -> float | None:
    """Return the value outside the fan, if there is one: common on the six faces, and mostly far from or below echoes.

    Such a value counts where it is a fifth as common as another would have to be, since a fan may fill most of its box;
    fluid, too, has a common value, but darker ones beside it.
    """
    faces = [np.take(data, end, axis=axis)[::3, ::3].ravel() for axis in AXES for end in (0, -1)]
    values, counts = np.unique(np.concatenate(faces), return_counts=True)
    shares = counts / counts.sum()
    common = [at for at in np.argsort(-shares)[:CANDIDATES] if shares[at] >= BORDER_SHARE / 5]
    lowest, span = None, 0.0
    for at in common:
        low, high = np.quantile(sample[sample != values[at]], (RARE, 1 - RARE))
        span = float(high - low)
        if max(low - values[at], values[at] - high) > WIDEST_GAP * span > 0:
            return float(values[at])
        lowest = at if lowest is None and values[at] < low else lowest
    if lowest is not None and values[common[0]] - values[lowest] <= BLACK_BELOW * span:
        return float(values[lowest])
    return float(values[common[0]]) if common and shares[common[0]] >= BORDER_SHARE else None


def _outside(data: NDArray[Any], echoes: EchoRange) -> Bool:
    """Return where the fill value stands outside the fan: wherever it stands, or connected with the box's border."""
    filled: Bool = data == echoes.fill
    if echoes.fill is None or not echoes.floor <= echoes.fill <= echoes.high + echoes.span:
        return filled
    components = find_components(np.pad(filled, 1, constant_values=True), 6)
    return components.only(components.at(0, 0, 0))[1:-1, 1:-1, 1:-1]


def _hull(mask: Bool) -> Bool:
    """Return the convex hull of a mask (I, J, K), filled line by line; a mask that is flat or empty is its own hull."""
    points = np.concatenate([_ends(mask, axis) for axis in AXES])
    try:
        planes = np.unique(ConvexHull(np.unique(points, axis=0)).equations.round(4), axis=0)
    except (QhullError, ValueError):
        return mask
    i, j = (side.ravel() for side in np.indices(mask.shape[:2]))
    reach = np.outer(i, planes[:, 0]) + np.outer(j, planes[:, 1]) + planes[:, 3]
    slope = planes[:, 2]
    up, down, along = slope > FLAT, slope < -FLAT, np.abs(slope) <= FLAT
    first = np.max(-reach[:, down] / slope[down], axis=1, initial=0)
    last = np.min(-reach[:, up] / slope[up], axis=1, initial=mask.shape[2] - 1)
    last[(reach[:, along] > FLAT).any(axis=1)] = -1
    k = np.arange(mask.shape[2])
    within: Bool = (k >= first[:, None] - FLAT) & (k <= last[:, None] + FLAT)
    return within.reshape(mask.shape) | mask


def _ends(mask: Bool, axis: int) -> NDArray[np.intp]:
    """Return the first and last voxel of a mask on each line along an axis, (n, 3): no others can be corners."""
    length = mask.shape[axis]
    lines = np.argwhere(mask.any(axis=axis))
    first, last = mask.argmax(axis=axis), length - 1 - np.flip(mask, axis).argmax(axis=axis)
    return np.concatenate([np.insert(lines, axis, end[tuple(lines.T)], axis=1) for end in (first, last)])
