"""Separable resampling between grids that share their index axes: one interpolation matrix per axis."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.imaging.arrays import Float32
from app.imaging.errors import ImagingError
from app.imaging.volume import AXES, Volume, VolumeGeometry

ALIGNMENT_TOLERANCE = 1e-3
POSITION_DECIMALS = 7
"""Positions are rounded to this, so that they do not depend on the scan's pose."""
NARROWEST_WIDENING = 0.05
SLAB_VOXELS = 4_000_000
BAND_ROWS = 16
"""Rows of a matrix that are multiplied together: few enough that most of the zeros beside them are skipped."""


def resample(
    volume: Volume, geometry: VolumeGeometry, fill: float | Literal["edge"] = 0.0, antialias: bool = True
) -> Volume:
    """Return `volume` as float32 on another grid with the same index axes.

    Voxels of the new grid whose centre lies outside the field of view are `fill`, or the nearest voxel's value
    for "edge". With `antialias`, axes that get coarser are low-passed. Raises `ImagingError` (grids_not_aligned).
    """
    origin, step = _map_indices(volume.geometry, geometry)
    edge = fill == "edge"
    matrices = [
        interpolation_matrix(volume.data.shape[axis], geometry.shape[axis], origin[axis], step[axis], antialias, edge)
        for axis in AXES
    ]
    data = apply_separable(volume.data, matrices)
    if fill not in ("edge", 0.0):
        data += np.float32(fill) * _find_outside(matrices)
    return Volume(data, geometry)


def interpolation_matrix(
    n_in: int, n_out: int, origin: float, step: float, antialias: bool = True, edge: bool = False
) -> NDArray[np.float64]:
    """Return the (n_out, n_in) weights that sample an axis at origin + step * o, in input indices.

    Linear between voxel centres. With `antialias` and a |step| above 1 the linear weights are convolved with a
    triangle such that together they have the variance of a triangle of half-width |step|: constants and ramps stay
    exact, unlike with a triangle sampled at voxel centres. Positions outside [-0.5, n_in - 0.5] get no weight, or
    the outermost voxel with `edge`.
    """
    positions = origin + step * np.arange(n_out, dtype=np.float64)
    inside = (positions >= -0.5 - 1e-6) & (positions <= n_in - 0.5 + 1e-6)
    positions = np.clip(positions, 0, n_in - 1) if edge or not antialias else np.clip(positions, -0.5, n_in - 0.5)
    widening = math.sqrt(max(0.0, step * step - 1)) if antialias else 0.0
    if widening <= NARROWEST_WIDENING:
        positions = np.clip(positions, 0, n_in - 1)
    weights = _kernel(positions[:, None] - np.arange(n_in), widening)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights if edge else weights * inside[:, None]


def apply_separable(data: NDArray[Any], matrices: list[NDArray[np.float64]]) -> Float32:
    """Return float32 (m0, m1, m2): `data` (n0, n1, n2) with matrix a (ma, na) applied along each axis a.

    The data is converted to float32 slab by slab, in one fixed memory order: the result depends on the values alone,
    never on how they were stored.
    """
    first, second, third = (np.ascontiguousarray(matrix, dtype=np.float32) for matrix in matrices)
    n0, n1, n2 = data.shape
    thickness = max(1, SLAB_VOXELS // (n1 * n2))
    reduced = np.empty((n0, second.shape[0], third.shape[0]), dtype=np.float32)
    for start in range(0, n0, thickness):
        slab = np.array(data[start : start + thickness], dtype=np.float32, order="C").reshape(-1, n2)
        along_third = np.empty((len(slab), len(third)), dtype=np.float32)
        for rows, used in _find_bands(third):
            np.matmul(slab[:, used], third[rows, used].T, out=along_third[:, rows])
        planes = along_third.reshape(-1, n1, len(third))
        for rows, used in _find_bands(second):
            np.matmul(second[rows, used], planes[:, used], out=reduced[start : start + thickness, rows])
    flat = reduced.reshape(n0, -1)  # (n0, m1 m2)
    result = np.empty((len(first), flat.shape[1]), dtype=np.float32)
    for rows, used in _find_bands(first):
        np.matmul(first[rows, used], flat[used], out=result[rows])
    return result.reshape(len(first), len(second), len(third))


def _find_bands(matrix: Float32) -> Iterator[tuple[slice, slice]]:
    """Yield runs of rows, each with the range of columns outside which all of them are zero."""
    for start in range(0, len(matrix), BAND_ROWS):
        rows = slice(start, start + BAND_ROWS)
        used = np.flatnonzero(matrix[rows].any(axis=0))
        yield rows, slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 1)


def _map_indices(source: VolumeGeometry, target: VolumeGeometry) -> tuple[list[float], list[float]]:
    """Return, per axis, the source index of the target's first voxel and the step between its voxels."""
    relation = np.linalg.solve(source.affine, target.affine)
    linear = relation[:3, :3]
    steps = np.diag(linear)
    drift = np.abs(linear - np.diag(steps)) * np.asarray(target.shape)
    if drift.max() > max(ALIGNMENT_TOLERANCE * max(source.shape), 1e-2):
        raise ImagingError(
            "grids_not_aligned",
            "the two grids do not share their index axes",
            expected="parallel axes in the same order",
            got=f"a drift of {drift.max():.3f} voxels",
            remedy="reorient the volume first",
        )
    origin = [round(float(value), POSITION_DECIMALS) for value in relation[:3, 3]]
    return origin, [round(float(value), POSITION_DECIMALS) for value in steps]


def _kernel(distance: NDArray[np.float64], widening: float) -> NDArray[np.float64]:
    """Return a triangle of half-width 1, convolved with one of half-width `widening`, at these distances."""
    if widening <= NARROWEST_WIDENING:
        return np.maximum(0.0, 1.0 - np.abs(distance))
    near = np.abs(distance) < 1 + widening
    d = distance[near]
    second_difference = ((-1, 1.0), (0, -2.0), (1, 1.0))
    total = np.zeros_like(d)
    for p, factor_p in second_difference:
        for q, factor_q in second_difference:
            total += factor_p * factor_q * np.abs(d + p + q * widening) ** 3
    weights = np.zeros_like(distance)
    weights[near] = np.maximum(0.0, total / (12 * widening**2))
    return weights


def _find_outside(matrices: list[NDArray[np.float64]]) -> Float32:
    i, j, k = (matrix.sum(axis=1).round().astype(np.float32) for matrix in matrices)
    inside: Float32 = i[:, None, None] * j[:, None] * k
    return np.float32(1) - inside
