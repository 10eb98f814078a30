"""The scanned fan within its box: what lies outside it, which echoes count, and where its hull runs.

Scan converters fill the box around the fan with one value, mostly 0; other programs write -1024, 255 or 32767 there,
and one after another several. Scanners write 0 for fluid, too, and a burnt-in mark or a dead voxel may be brighter than
any echo. So nothing here rests on the smallest or the largest value of a volume alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from app.imaging.arrays import Bool
from app.imaging.components import find_components
from app.imaging.echoes import RARE, keep_reached, sample_echoes
from app.imaging.errors import NotMeasurable
from app.imaging.fill import BLACK_BELOW, WIDEST_GAP, find_fill_values
from app.imaging.hull import find_hull
from app.imaging.inpainting import inpaint
from app.imaging.sampling import sample_evenly
from app.imaging.volume import Volume

FEW = 0.1
"""Between echoes and a second value outside the fan lie fewer voxels than this share of the latter."""
FEWEST_STEPS = 32
"""Steps of single precision within the range of the echoes below which they are lost in rounding."""
RARE_ECHOES = 0.1
"""How far beyond that range echoes reach, as a share of it."""
POCKET_MM = 15.0
"""Fill this deep inside the fan's hull is fluid; the curved face of a probe leaves at most 12 mm."""
HULL_STEP_MM = 4.5
"""Whether there are pockets is seen on a grid as coarse as this."""


@dataclass(frozen=True)
class EchoRange:
    """The values that count in a volume: `low` to `high` are the echoes, `fill` stands outside the fan.

    `fill` is None where the scan fills its box; `others` stand outside the fan as well.
    From `marks` on there are no echoes but marks. `darkest_share` of the echoes have the smallest value.
    At the fan's edge, averages may be as bright as `edge_high`.
    """

    low: float
    high: float
    fill: float | None
    others: tuple[float, ...] = ()
    marks: float = math.inf
    darkest_share: float = 0.0
    edge_high: float = -math.inf

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
        """Whether nothing but a scanner's black stands outside the fan."""
        return not self.others and (self.fill is None or 0 <= self.low - self.fill <= WIDEST_GAP * self.span)

    @property
    def fills(self) -> tuple[float, ...]:
        """Every value outside the fan."""
        return self.others if self.fill is None else (self.fill, *self.others)

    @property
    def fill_like_echoes(self) -> float | None:
        """A value outside the fan that echoes may have, too, so that the fan's edge has to be guessed."""
        brightest = max(self.high, self.edge_high)
        most = brightest + RARE_ECHOES * (brightest - self.low)
        return next((value for value in self.fills if self.low < value <= most), None)

    @property
    def share_cut_off(self) -> float:
        """The share of the echoes that have the smallest value, if that is next to black; else 0."""
        return self.darkest_share if self.low - self.black <= BLACK_BELOW * self.span else 0.0

    @property
    def floor(self) -> float:
        """The smallest value that a voxel may have."""
        if self.fill is None:
            return self.low - self.span
        return self.fill if self.has_black_outside else self.black

    @property
    def top(self) -> float:
        """The greatest value that a voxel may have."""
        return min(self.high + self.span, self.marks)


@dataclass(frozen=True, eq=False)
class Cleaned:
    """A volume with black outside its fan.

    `foreign` is the share of its voxels that held values far from all echoes, but for those outside the fan.
    """

    volume: Volume
    foreign: float


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
    fills = find_fill_values(data, sample_evenly(data))
    off_edge, all_echoes = sample_echoes(data, fills)
    echoes, marks = keep_reached(off_edge)
    edge_high = float(np.quantile(keep_reached(all_echoes)[0], 1 - RARE))
    low, high = (float(value) for value in np.quantile(echoes, (RARE, 1 - RARE)))
    darkest_share = float((echoes == echoes.min()).mean())
    if low == high:
        low, high = lowest, highest
    _check_precision(low, high)
    return EchoRange(low, high, fills[0] if fills else None, fills[1:], marks, darkest_share, edge_high)


def clean_values(volume: Volume, echoes: EchoRange | None = None) -> Volume:
    """Return the volume with black outside its fan and without voxels far beyond its echoes; mostly it is that already.

    Echoes keep their values; their range is found where it is not given. Raises as `find_echo_range` does.
    """
    return clean(volume, echoes).volume


def clean(volume: Volume, echoes: EchoRange | None = None) -> Cleaned:
    """Return what `clean_values` does, and how much of the volume was made up."""
    data, echoes = volume.data, echoes or find_echo_range(volume.data)
    if echoes.has_black_outside and float(data.max()) <= echoes.top and float(data.min()) >= echoes.floor:
        return Cleaned(volume, 0.0)
    black = echoes.black if echoes.fill is None else echoes.floor
    outside = _find_outside(data, echoes)
    is_bright = data > echoes.top
    share = _share_of(is_bright | (data < echoes.low - WIDEST_GAP * echoes.span), data, echoes.fills)
    plain = np.array(data, dtype=np.float32)
    plain[outside] = black
    inpaint(plain, (is_bright | (data < echoes.floor)) & ~outside, black)
    return Cleaned(Volume(plain, volume.geometry), share)


def _share_of(foreign: Bool, data: NDArray[Any], fills: tuple[float, ...]) -> float:
    return float((foreign & ~np.isin(data, fills)).mean())


def fill_pockets(field_of_view: Bool, spacing_mm: float) -> Bool:
    """Return the field of view (I, J, K) with the black pockets that reach into its hull: fluid, not the fan's edge.

    A field of view without such a pocket is returned itself.
    """
    step = max(1, round(HULL_STEP_MM / spacing_mm))
    coarse = field_of_view[::step, ::step, ::step]
    coarse_hull = find_hull(coarse)
    if not _find_deep(coarse_hull & ~coarse, coarse_hull, step * spacing_mm).any():
        return field_of_view
    hull = find_hull(field_of_view)
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


def _find_outside(data: NDArray[Any], echoes: EchoRange) -> Bool:
    """Return where values stand that only stand outside the fan, and those that echoes have, too, at the border.

    Black needs no change, and is left out where nothing else stands outside.
    """
    beyond = _beyond_the_fan(data, echoes)
    if echoes.has_black_outside:
        return beyond
    filled: Bool = np.isin(data, echoes.fills)
    unsure = [value for value in echoes.fills if echoes.floor <= value <= echoes.top]
    return beyond | (_connected_with_border(filled) | (filled & ~np.isin(data, unsure)) if unsure else filled)


def _beyond_the_fan(data: NDArray[Any], echoes: EchoRange) -> Bool:
    """Return what is brighter than every echo and connected with the box's border: a second value outside the fan."""
    bright: Bool = data > echoes.top
    count, between = int(bright.sum()), int((data > echoes.high).sum()) - int(bright.sum())
    if count <= RARE * data.size or between > FEW * count:
        return np.zeros_like(bright)
    around = bright | (data < echoes.low - echoes.span) | np.isin(data, echoes.fills)
    return _connected_with_border(around) & bright


def _connected_with_border(mask: Bool) -> Bool:
    """Return the voxels of a mask that are connected with the array's border (6-connected)."""
    components = find_components(np.pad(mask, 1, constant_values=True), 6)
    return components.only(components.at(0, 0, 0))[1:-1, 1:-1, 1:-1]
