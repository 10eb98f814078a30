"""A volume and its position in space, as immutable values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.imaging.errors import NotMeasurable

Index3 = tuple[int, int, int]
Float3 = tuple[float, float, float]
Bool3 = tuple[bool, bool, bool]

AXES = (0, 1, 2)
SPACING_DECIMALS = 5
"""Single-precision headers hold a spacing to about 1e-7; rounding makes it independent of the rotation."""
MAX_SHEAR_COSINE = 1e-2
"""The rounding of a registration; volumes, by the determinant, stay exact, and lengths change by 0.5 % at most."""
RELATIVE_SINGULARITY = 1e-6


@dataclass(frozen=True, eq=False)
class VolumeGeometry:
    """A grid of voxels: its shape [i, j, k] and the affine from indices to mm (RAS+)."""

    shape: Index3
    affine: NDArray[np.float64]

    def __init__(self, shape: tuple[int, ...], affine: ArrayLike) -> None:
        """Check and freeze; raise `NotMeasurable` for an affine that is not finite, singular or sheared."""
        matrix = np.array(affine, dtype=np.float64)
        object.__setattr__(self, "shape", _check_shape(shape))
        object.__setattr__(self, "affine", _check_affine(matrix))
        matrix.setflags(write=False)

    @classmethod
    def from_spacing(cls, shape: tuple[int, ...], spacing_mm: tuple[float, ...]) -> VolumeGeometry:
        """Return an axis-aligned grid with this spacing, centred on the origin."""
        spacing = np.asarray(spacing_mm, dtype=np.float64)
        affine = np.diag([*spacing, 1.0])
        affine[:3, 3] = -spacing * (np.asarray(shape) - 1) / 2
        return cls(shape, affine)

    def __eq__(self, other: object) -> bool:
        """Return whether shape and affine are equal."""
        return (
            isinstance(other, VolumeGeometry)
            and self.shape == other.shape
            and np.array_equal(self.affine, other.affine)
        )

    def __hash__(self) -> int:
        """Hash by value, as `__eq__` compares."""
        return hash((self.shape, self.affine.tobytes()))

    @property
    def spacing_mm(self) -> Float3:
        """The distance between neighbouring voxels along i, j and k (mm, to 1e-5)."""
        norms = np.linalg.norm(self.affine[:3, :3], axis=0)
        i, j, k = (round(float(norm), SPACING_DECIMALS) for norm in norms)
        return i, j, k

    @property
    def voxel_volume_mm3(self) -> float:
        """The volume of one voxel: |det| of the affine's linear part."""
        return abs(float(np.linalg.det(self.affine[:3, :3])))

    @property
    def extent_mm(self) -> Float3:
        """The size of the field of view, outer voxel face to outer voxel face (mm)."""
        i, j, k = (n * step for n, step in zip(self.shape, self.spacing_mm, strict=True))
        return i, j, k

    def rescale(self, spacing_mm: float, divisor: int = 1) -> VolumeGeometry:
        """Return an isotropic grid over the same field of view, aligned and concentric with it.

        Each axis is rounded up to a multiple of `divisor` voxels, padded equally at both ends.
        """
        counts = [max(1, math.ceil(extent / spacing_mm - 1e-3)) for extent in self.extent_mm]
        i, j, k = (-(-count // divisor) * divisor for count in counts)
        steps = spacing_mm / np.asarray(self.spacing_mm)
        start = (np.asarray(self.shape) - 1) / 2 - steps * (np.asarray((i, j, k)) - 1) / 2
        return VolumeGeometry((i, j, k), self.affine @ _scale_then_shift(steps, start))

    def crop(self, start: Index3, stop: Index3) -> VolumeGeometry:
        """Return the grid of voxels start <= index < stop."""
        i, j, k = (b - a for a, b in zip(start, stop, strict=True))
        shift = _scale_then_shift(np.ones(3), np.asarray(start, dtype=np.float64))
        return VolumeGeometry((i, j, k), self.affine @ shift)

    def reorient(self, permutation: Index3, flips: Bool3) -> VolumeGeometry:
        """Return the same grid with axis n taken from axis permutation[n], then reversed where flips[n]."""
        i, j, k = (self.shape[axis] for axis in permutation)
        columns = self.affine[:3, list(permutation)]
        lengths = np.where(flips, np.asarray((i, j, k)) - 1, 0)
        affine = np.eye(4)
        affine[:3, :3] = columns * np.where(flips, -1.0, 1.0)
        affine[:3, 3] = self.affine[:3, 3] + columns @ lengths
        return VolumeGeometry((i, j, k), affine)


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxel values, indexed [i, j, k], and their geometry."""

    data: NDArray[Any]
    geometry: VolumeGeometry

    def __post_init__(self) -> None:
        """Raise `NotMeasurable` when data and geometry differ in shape."""
        if self.data.shape != self.geometry.shape:
            raise NotMeasurable(
                "shape_mismatch",
                "the voxel array and its geometry differ in shape",
                expected=str(self.geometry.shape),
                got=str(self.data.shape),
            )

    def reorient(self, permutation: Index3, flips: Bool3) -> Volume:
        """Return the same voxels with axes permuted, then reversed where flips[n]; a view, not a copy."""
        steps = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
        return Volume(self.data.transpose(permutation)[steps], self.geometry.reorient(permutation, flips))


def corresponding_box(region: VolumeGeometry, grid: VolumeGeometry) -> tuple[Index3, Index3]:
    """Return start and stop of the grid's voxels whose centres lie in a region with the same index axes.

    There is at least one along each axis.
    """
    to_grid = np.linalg.solve(grid.affine, region.affine)
    faces = np.array([[0.0, 0.0, 0.0], region.shape]) - 0.5
    first, last = faces @ to_grid[:3, :3].T + to_grid[:3, 3]
    size = np.asarray(grid.shape)
    start = np.clip(np.ceil(first - 1e-6).astype(int), 0, size - 1)
    stop = np.clip(np.floor(last + 1e-6).astype(int) + 1, start + 1, size)
    a, b, c = (int(value) for value in start)
    d, e, f = (int(value) for value in stop)
    return (a, b, c), (d, e, f)


def _check_shape(shape: tuple[int, ...]) -> Index3:
    if len(shape) != len(AXES) or min(shape) < 1:
        raise NotMeasurable(
            "not_three_dimensional",
            "the array is not a volume",
            expected="three axes of at least one voxel",
            got=str(tuple(shape)),
        )
    i, j, k = (int(n) for n in shape)
    return i, j, k


def _check_affine(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise NotMeasurable("affine_not_finite", "the affine holds values that are not numbers", got=_format(affine))
    columns = affine[:3, :3]
    norms = np.linalg.norm(columns, axis=0)
    if norms.min() == 0 or abs(np.linalg.det(columns / np.where(norms == 0, 1, norms))) < RELATIVE_SINGULARITY:
        raise NotMeasurable(
            "affine_singular",
            "the affine is singular: it maps the volume onto a plane, a line or a point",
            expected="three independent axes",
            got=_format(affine),
            remedy="write the qform or sform of the scan again",
        )
    cosines = (columns / norms).T @ (columns / norms) - np.eye(3)
    if np.abs(cosines).max() > MAX_SHEAR_COSINE:
        raise NotMeasurable(
            "affine_sheared",
            "the affine is sheared: its axes are not at right angles",
            expected=f"cosines between axes up to {MAX_SHEAR_COSINE}",
            got=f"{np.abs(cosines).max():.4f}",
            remedy="resample the volume onto a rectangular grid",
        )
    return affine


def _scale_then_shift(steps: NDArray[np.float64], start: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = np.diag([*steps, 1.0])
    matrix[:3, 3] = start
    return matrix


def _format(affine: NDArray[np.float64]) -> str:
    return np.array2string(affine, precision=4, suppress_small=True, separator=", ").replace("\n", "")
