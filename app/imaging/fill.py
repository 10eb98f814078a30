"""The values that stand outside the fan: mostly one, sometimes one per program that the scan went through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.imaging.echoes import RARE, keep_reached
from app.imaging.volume import AXES

BORDER_SHARE: Final = 0.1
"""A value that fills at least this share of the box's faces is a fill value."""
CANDIDATES: Final = 5
MOST: Final = 4
"""Values outside the fan that are looked for."""
WIDEST_GAP: Final = 0.5
"""A fill value further below the echoes than this share of their range is no scanner's black."""
BLACK_BELOW: Final = 0.02
"""How far below the echoes black then lies, as a share of their range."""
FLUID_BELOW: Final = 0.1
"""Fluid lies in this lowest share of the range of the echoes; it may have a common value, too."""
FACE_STEP: Final = 3
SOLID, SOLID_BRIGHTEST, SOLID_FAR = 0.7, 0.9, 0.5
"""Outside the fan at least this share of the voxels has equals `FACE_STEP` voxels on: of a value within the range of
the echoes, of one that saturated echoes have, and of one that only marks could have."""

FADING: Final = 0.1
"""Most echoes beside saturated ones are darker by less than this share of the range."""


def find_fill_values(data: NDArray[Any], sample: NDArray[Any]) -> tuple[float, ...]:
    """Return the values outside the fan of a volume (I, J, K), the surest first; none where the scan fills its box.

    `sample` is part of the voxels.
    """
    faces = _Faces.of(data)
    first = _find_first(faces, sample)
    found: tuple[float, ...] = () if first is None else (first,)
    while found and len(found) < MOST:
        echoes = sample[~np.isin(sample, found)]
        other = next((value for value in faces.find_common(found) if _is_other(value, echoes, faces, found)), None)
        if other is None:
            break
        found = (*found, other)
    return found


@dataclass(frozen=True, eq=False)
class _Faces:
    """A box's six faces, whole and every few voxels of them, the values there, and the share of each."""

    planes: tuple[NDArray[Any], ...]
    whole: tuple[NDArray[Any], ...]
    values: NDArray[Any]
    shares: NDArray[Any]

    @classmethod
    def of(cls, data: NDArray[Any]) -> _Faces:
        whole = tuple(np.moveaxis(data, axis, 0)[end] for axis in AXES for end in (0, -1))
        planes = tuple(plane[::FACE_STEP, ::FACE_STEP] for plane in whole)
        values, counts = np.unique(np.concatenate([plane.ravel() for plane in planes]), return_counts=True)
        return cls(planes, whole, values, counts / counts.sum())

    def find_common(self, but: tuple[float, ...] = ()) -> list[float]:
        shares = np.where(np.isin(self.values, but), 0.0, self.shares)
        return [float(self.values[at]) for at in np.argsort(-shares)[:CANDIDATES] if shares[at] >= BORDER_SHARE / 5]

    def is_wide(self, value: float) -> bool:
        """Return whether the value is as common as another than the one outside the fan hardly is."""
        return bool(self.shares[self.values == value].sum() >= BORDER_SHARE)

    def is_solid(self, value: float, least: float) -> bool:
        """Return whether at least this share of the voxels with a value has equals beside them."""
        pairs = count = 0
        for plane in self.planes:
            filled = plane == value
            pairs += int((filled[1:] & filled[:-1]).sum()) + int((filled[:, 1:] & filled[:, :-1]).sum())
            count += int(filled[:-1].sum()) + int(filled[:, :-1].sum())
        return pairs >= least * count

    def find_beside(self, value: float, but: tuple[float, ...]) -> NDArray[Any]:
        """Return what stands beside the voxels with a value, save for the values `but`."""
        beside = []
        for plane in self.whole:
            for rows in (plane, plane.T):
                filled = rows == value
                beside += [rows[1:][filled[:-1]], rows[:-1][filled[1:]]]
        values = np.concatenate(beside)
        return values[~np.isin(values, (value, *but))]


def _find_first(faces: _Faces, sample: NDArray[Any]) -> float | None:
    """Return the value outside the fan, if there is one: common on the six faces, and mostly far from or below echoes.

    Such a value counts where it is a fifth as common as another would have to be, since a fan may fill most of its box;
    fluid, too, has a common value, but darker ones beside it.
    """
    common = faces.find_common()
    lowest, span = None, 0.0
    for value in common:
        low, high = _find_range(sample[sample != value])
        span = high - low
        if _is_far(value, low, high) and faces.is_solid(value, SOLID_FAR):
            return value
        lowest = value if lowest is None and value < low else lowest
    if lowest is not None and common[0] - lowest <= BLACK_BELOW * span:
        return lowest
    return common[0] if common and faces.is_wide(common[0]) else None


def _is_other(value: float, echoes: NDArray[Any], faces: _Faces, found: tuple[float, ...]) -> bool:
    """Return whether another common value stands outside the fan: far from the echoes, or solid where it is.

    `echoes` are the voxels without the values `found` to stand there.
    """
    others = echoes[echoes != value]
    if others.size == 0:
        return False
    low, high = _find_range(others)
    if _is_far(value, low, high):
        return faces.is_solid(value, SOLID_FAR)
    is_fluid = value <= low + FLUID_BELOW * (high - low)
    if is_fluid or not faces.is_wide(value):
        return False
    if value <= high:
        return faces.is_solid(value, SOLID)
    return faces.is_solid(value, SOLID_BRIGHTEST) and not _is_saturated(value, low, faces.find_beside(value, found))


def _is_saturated(value: float, low: float, beside: NDArray[Any]) -> bool:
    """Return whether a brightest value is that of saturated echoes: beside them stand others that are nearly as bright.

    Beside a value outside the fan stand echoes of any brightness.
    """
    return beside.size > 0 and value - float(np.median(beside)) < FADING * (value - low)


def _is_far(value: float, low: float, high: float) -> bool:
    return max(low - value, value - high) > WIDEST_GAP * (high - low) > 0


def _find_range(values: NDArray[Any]) -> tuple[float, float]:
    low, high = np.quantile(keep_reached(values)[0], (RARE, 1 - RARE))
    return float(low), float(high)
