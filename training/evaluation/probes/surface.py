"""The surface of a mask, finer than its voxels, and distances of points from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

from app.imaging.arrays import Float64
from app.imaging.volume import Float3

SMOOTHING = 1.0
"""SD, in voxels, of the smoothing that removes the steps of a mask."""
HALF = 0.5
CORNERS = np.array([(i, j, 3 - i - j) for i in range(4) for j in range(4 - i)]) / 3
"""Sample points of a triangle (10, 3), in weights of its corners: corners, centroid and two on each side."""


@dataclass(frozen=True, eq=False)
class Patches:
    """Patches of a surface: centres (m, 3) in mm, unit normals (m, 3) that point outwards, areas (m,) in mm²."""

    centres: Float64
    normals: Float64
    areas: Float64


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles around a mask: vertices (n, 3) in mm along the index axes from the first voxel's centre, faces (m, 3).

    `soft` is the smoothed mask, padded by `margin` voxels; the surface lies where it has the value `level`.
    """

    vertices: Float64
    faces: NDArray[np.int32]
    soft: NDArray[np.float32]
    level: float
    margin: int
    spacing_mm: Float3

    def patches(self) -> Patches:
        """Return the triangles that have an area."""
        corners = self.vertices[self.faces]  # (m, 3, 3)
        across = np.cross(corners[:, 2] - corners[:, 0], corners[:, 1] - corners[:, 0])  # clockwise from outside
        length = np.linalg.norm(across, axis=1)
        kept = length > 0
        return Patches(corners[kept].mean(axis=1), across[kept] / length[kept, None], length[kept] / 2)

    def depth_mm(self, points: Float64) -> Float64:
        """Return the depth of points (n, 3), in mm, inside the surface (n,); negative outside.

        The nearest of ten points of each triangle is used. Measured on spheres with voxels of 1.3 mm, the mean is
        accurate to 0.1 mm; on the surface's own patches it is 0.
        """
        samples = np.einsum("sc,mcx->msx", CORNERS, self.vertices[self.faces]).reshape(-1, 3)
        distance = np.asarray(cKDTree(samples).query(points)[0])
        at = (points / np.asarray(self.spacing_mm) + self.margin).T
        inside = ndimage.map_coordinates(self.soft, at, order=1, mode="constant") >= self.level
        return np.where(inside, distance, -distance)


def extract_surface(mask: NDArray[Any], spacing_mm: Float3, step: int = 1) -> Surface:
    """Extract the surface of a mask (I, J, K) that is not empty; a larger `step`, in voxels, gives fewer triangles."""
    margin = step + 1
    soft = ndimage.gaussian_filter(np.pad(mask, margin).astype(np.float32), SMOOTHING, mode="constant")
    level = min(HALF, float(soft[::step, ::step, ::step].max()) / 2)  # the smoothing must not remove a small mask
    vertices, faces, _, _ = marching_cubes(soft, level, spacing=spacing_mm, step_size=step)
    return Surface(vertices - margin * np.asarray(spacing_mm), faces, soft, level, margin, spacing_mm)
