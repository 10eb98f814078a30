"""Scans of the same fetus along three directions for reproducibility, as in the paper's figure 9.

Each scan has its own pose, probe, look, maternal tissue and speckle; the head, and so its true volume, is the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from training.phantom.cohort import COHORTS
from training.phantom.scene import SimulationRequest

DIRECTIONS = {"lateral": (0, 1), "anterior": (1, 2), "vertex": (2, 0)}
"""The head axis (0 left-right, 1 posterior-anterior, 2 inferior-superior) that points at the probe, and the one across.

Head axes are x to the left, y to the front, z to the vertex; the probe looks along its own +z.
"""
WOBBLE_DEG = 15.0
"""The deviation from the exact direction, since no sonographer holds it exactly."""


def scan_directions(groups: int, spacing: float) -> Iterator[SimulationRequest]:
    """Yield the scans of `groups` fetuses, one per direction."""
    first = COHORTS["reproducibility"].seed
    for group in range(groups):
        for number, name in enumerate(DIRECTIONS):
            seed = first + group * len(DIRECTIONS) + number
            turn = draw_rotation_to_probe(name, np.random.default_rng([seed, 13]))
            rows = tuple((float(a), float(b), float(c)) for a, b, c in turn)
            yield SimulationRequest(seed=seed, spacing=spacing, subject_seed=first + group, rotation=rows)


def direction_of(seed: int) -> str:
    """Return the name of the direction of one of `scan_directions`, by its seed."""
    return tuple(DIRECTIONS)[(seed - COHORTS["reproducibility"].seed) % len(DIRECTIONS)]


def draw_rotation_to_probe(direction: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a rotation (3, 3) for row vectors, head frame to probe frame, near the exact direction."""
    toward, across = DIRECTIONS[direction]
    turn = np.zeros((3, 3))
    turn[toward, 2] = -1.0
    turn[across, 0] = 1.0
    turn[3 - toward - across] = np.cross(turn[(3 - toward - across + 1) % 3], turn[(3 - toward - across + 2) % 3])
    return turn @ _rotate_about_depth(rng.uniform(0, 2 * np.pi)) @ draw_rotation(rng, WOBBLE_DEG)


def _rotate_about_depth(angle: float) -> NDArray[np.float64]:
    """Return a rotation of the probe about its own axis, which keeps the direction and changes the sweep's plane."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])


def draw_rotation(rng: np.random.Generator, degrees: float) -> NDArray[np.float64]:
    """Draw a rotation by up to so many degrees about a random axis (3, 3); 180 gives every pose."""
    axis = rng.normal(size=3)
    x, y, z = axis / np.linalg.norm(axis)
    angle = np.deg2rad(rng.uniform(-degrees, degrees))
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    rotation: NDArray[np.float64] = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return rotation
