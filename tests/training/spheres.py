"""A folder of synthetic heads, bright shells in speckle, in the phantom cache's format."""

from pathlib import Path

import numpy as np

from app.imaging.volume import Volume, VolumeGeometry
from training.phantom import Phantom, PhantomRecord
from training.phantom.cohort import phantom_file, save_phantom

SHAPE, SPACING_MM = (40, 28, 44), 4.0


def write_sphere(folder: Path, seed: int) -> None:
    """Write one case whose truth is an ellipsoid."""
    rng = np.random.default_rng(seed)
    position = np.stack(np.meshgrid(*[np.arange(n) * SPACING_MM for n in SHAPE], indexing="ij"))
    centre = np.array(SHAPE) * SPACING_MM / 2 + rng.uniform(-8, 8, 3)
    axes = rng.uniform(32, 46, 3)
    distance = np.sqrt((((position - centre[:, None, None, None]) / axes[:, None, None, None]) ** 2).sum(axis=0))
    tissues = np.where(distance < 0.9, 10, np.where(distance < 1, 7, 2)).astype(np.uint8)
    echo = np.where(distance < 0.9, 40, np.where(distance < 1, 180, 90)) * rng.rayleigh(0.8, SHAPE)
    folder.mkdir(parents=True, exist_ok=True)
    geometry = VolumeGeometry(SHAPE, np.diag([SPACING_MM] * 3 + [1.0]))
    arrays = (echo.clip(1, 255).astype(np.uint8), (distance < 1).astype(np.uint8), tissues)
    image, truth, labels = (Volume(data, geometry) for data in arrays)
    record = PhantomRecord(
        seed=seed,
        gestational_age_weeks=25.0,
        family="parametric",
        look="fundamental",
        spacing_mm=SPACING_MM,
        true_volume_ml=4 / 3 * np.pi * axes.prod() / 1000,
        head_in_view=1.0,
        truncated=False,
        touches=False,
    )
    save_phantom(phantom_file(folder, seed), Phantom(image, truth, labels, record))
