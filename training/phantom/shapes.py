"""Implicit shapes: functions of points, in mm, that are negative inside and join smoothly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.imaging.arrays import Float32

Field = Float32


@dataclass(frozen=True)
class Points:
    """Points as three arrays of one shape, mm, in one frame."""

    x: Field
    y: Field
    z: Field

    def at(self, index: NDArray[np.intp]) -> Points:
        """Return the points at flat positions `index`."""
        return Points(self.x.ravel()[index], self.y.ravel()[index], self.z.ravel()[index])


def ellipsoid(
    p: Points, centre: tuple[float, float, float], radii: tuple[float, float, float], power: float = 2.0
) -> Field:
    """Return a (super)ellipsoid: the distance along the ray from the centre, exact at the surface."""
    u, v, w = ((c - np.float32(o)) / np.float32(r) for c, o, r in zip((p.x, p.y, p.z), centre, radii, strict=True))
    scale = gauge(u, v, w, power)
    length = np.sqrt((u * radii[0]) ** 2 + (v * radii[1]) ** 2 + (w * radii[2]) ** 2)
    return np.asarray(length * (1 - 1 / np.maximum(scale, 1e-3)), np.float32)


def gauge(u: Field, v: Field, w: Field, power: float) -> Field:
    """Return the p-norm of normalised coordinates: 1 on the surface."""
    if power == 2.0:
        return np.asarray(np.sqrt(u * u + v * v + w * w), np.float32)
    total = np.abs(u) ** power + np.abs(v) ** power + np.abs(w) ** power
    return np.asarray(total ** (1 / power), np.float32)


def capsule(p: Points, start: tuple[float, ...], end: tuple[float, ...], radius: float) -> Field:
    """Return a cylinder with round ends between two points."""
    a, b = np.asarray(start, np.float32), np.asarray(end, np.float32)
    d = b - a
    px, py, pz = p.x - a[0], p.y - a[1], p.z - a[2]
    t = np.clip((px * d[0] + py * d[1] + pz * d[2]) / max(float(d @ d), 1e-6), 0, 1)
    return np.asarray(np.sqrt((px - t * d[0]) ** 2 + (py - t * d[1]) ** 2 + (pz - t * d[2]) ** 2) - radius, np.float32)


def rounded_box(
    p: Points, centre: tuple[float, float, float], half: tuple[float, float, float], rounding: float
) -> Field:
    """Return a box of half lengths `half` whose edges are rounded by `rounding` mm."""
    q = [
        np.abs(c - np.float32(o)) - np.float32(h - rounding)
        for c, o, h in zip((p.x, p.y, p.z), centre, half, strict=True)
    ]
    outside = np.sqrt(sum(np.maximum(d, 0) ** 2 for d in q))
    inside = np.minimum(np.maximum(np.maximum(q[0], q[1]), q[2]), 0)
    return np.asarray(outside + inside - np.float32(rounding), np.float32)


def smooth_union(a: Field, b: Field, width: float) -> Field:
    """Return the union of two shapes with a fillet of about `width` mm where they meet."""
    h = np.maximum(np.float32(width) - np.abs(a - b), 0) / np.float32(width)
    return np.asarray(np.minimum(a, b) - h * h * np.float32(width / 4), np.float32)
