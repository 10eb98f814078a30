"""Biometry: head circumference and diameters, derived from the ellipsoid that fits the cranium of a mask."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from app.contract.findings import Biometry
from app.imaging.arrays import Bool, Float64
from app.imaging.reliability import surface
from app.imaging.volume import Float3

SURFACE_SAMPLES = 4000
FEWEST_VOXELS = 500
ROUNDS = 12
KEPT = 0.7
"""The best-fitting part of the surface, which is taken as cranium; face and neck fit worst."""
LARGEST_RESIDUAL = 0.06
LARGEST_ASPECT = 1.8


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """Centre and semi-axes (mm, the longest first), and the rms distance of the kept surface relative to its size."""

    centre: Float64
    semi_axes: Float3
    residual: float


def measure_biometry(head: Bool, spacing_mm: Float3) -> Biometry | None:
    """Return the cranium's measures from a mask, None where no ellipsoid fits it well.

    OFD is the longest axis. The two short axes, BPD and cranial height, differ by some 2 % and cannot be distinguished
    without the brain's midline, so BPD is their geometric mean. HC = pi (BPD + OFD) / 2.
    """
    if int(head.sum()) < FEWEST_VOXELS:
        return None
    fitted = fit_cranium(_sample_surface(head, spacing_mm))
    if fitted is None:
        return None
    a, b, c = (axis + sum(spacing_mm) / 6 for axis in fitted.semi_axes)
    if fitted.residual > LARGEST_RESIDUAL or a / c > LARGEST_ASPECT:
        return None
    ofd, bpd = 2 * a, 2 * math.sqrt(b * c)
    circumference = math.pi * (bpd + ofd) / 2
    return Biometry(
        head_circumference_mm=round(circumference, 2),
        biparietal_diameter_mm=round(bpd, 2),
        occipitofrontal_diameter_mm=round(ofd, 2),
    )


def fit_cranium(points: Float64) -> Ellipsoid | None:
    """Return the ellipsoid of least squares through the best-fitting part of the points (n, 3), mm."""
    centre, scale = points.mean(axis=0), float(np.abs(points - points.mean(axis=0)).max())
    normalised = (points - centre) / scale
    kept = np.ones(len(points), dtype=bool)
    for _ in range(ROUNDS):
        if (fitted := _fit_ellipsoid(normalised[kept])) is None:
            return None
        offset, matrix = fitted
        distance = np.abs(_relative_radius(normalised, offset, matrix) - 1)
        kept = distance <= np.quantile(distance, KEPT)
    a, b, c = (float(scale / math.sqrt(value)) for value in np.linalg.eigvalsh(matrix))
    residual = float(np.sqrt(np.mean((_relative_radius(normalised[kept], offset, matrix) - 1) ** 2)))
    return Ellipsoid(centre + scale * offset, (a, b, c), residual)


def _sample_surface(head: Bool, spacing_mm: Float3) -> Float64:
    """Return about `SURFACE_SAMPLES` voxel centres of the outline, mm."""
    outline = np.flatnonzero(surface(head))
    chosen = outline[:: 1 + len(outline) // SURFACE_SAMPLES]
    points: Float64 = np.stack(np.unravel_index(chosen, head.shape), axis=1).astype(np.float64)
    points *= np.asarray(spacing_mm)
    return points


def _fit_ellipsoid(points: Float64) -> tuple[Float64, Float64] | None:
    """Return centre and matrix M of (x - centre)^T M (x - centre) = 1, None where the fit is no ellipsoid."""
    x, y, z = points.T
    terms = np.stack([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z, 2 * x, 2 * y, 2 * z], axis=1)
    solution, *_ = np.linalg.lstsq(terms, np.ones(len(points)), rcond=None)
    xx, yy, zz, xy, xz, yz, gx, gy, gz = solution
    quadratic = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    linear = np.array([gx, gy, gz])
    if np.linalg.eigvalsh(quadratic)[0] <= 0:
        return None
    centre: Float64 = -np.linalg.solve(quadratic, linear)
    matrix: Float64 = quadratic / (1 + centre @ quadratic @ centre)
    return centre, matrix


def _relative_radius(points: Float64, centre: Float64, matrix: Float64) -> Float64:
    """Return each point's distance from the centre over the ellipsoid's in that direction."""
    offset = points - centre
    radius: Float64 = np.sqrt(np.einsum("ni,ij,nj->n", offset, matrix, offset))
    return radius
