"""How the axes of a volume may lie: oblique, permuted, mirrored."""

import itertools

import numpy as np
from scipy.spatial.transform import Rotation

from app.imaging.volume import Bool3, Index3


def oblique(spacing: tuple[float, float, float] = (0.5, 0.7, 1.1)) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix() * spacing
    affine[:3, 3] = (-40.0, 12.5, 80.0)
    return affine


SIGNED_PERMUTATIONS: list[tuple[Index3, Bool3]] = [
    ((i, j, k), (a, b, c))
    for i, j, k in itertools.permutations(range(3))
    for a, b, c in itertools.product([False, True], repeat=3)
]
