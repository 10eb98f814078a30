"""The tissues of a phantom and their acoustic properties.

Impedance in MRayl, attenuation in dB/cm/MHz one way, backscatter in dB relative to strongly scattering tissue. Typical
values of soft tissue from acoustic tables; those of fetal bone are engineering priors, none were found published.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from app.imaging.arrays import UInt8


class Tissue(IntEnum):
    """Labels of a phantom's tissue volume (u8)."""

    OUTSIDE = 0
    FLUID = 1
    UTERUS = 2
    PLACENTA = 3
    FAT = 4
    MUSCLE = 5
    SCALP = 6
    SKULL = 7
    SUTURE = 8
    CSF = 9
    BRAIN = 10
    VENTRICLE = 11
    CHOROID_PLEXUS = 12
    FALX = 13
    CEREBELLUM = 14
    THALAMUS = 15
    ORBIT = 16
    FACIAL_BONE = 17
    FACE = 18
    NECK = 19
    SPINE = 20
    TRUNK = 21
    LIMB = 22
    LIMB_BONE = 23
    CORD = 24
    MATERNAL_BONE = 25
    SULCUS = 26


Labels = UInt8
BONES = (Tissue.SKULL, Tissue.FACIAL_BONE, Tissue.SPINE, Tissue.LIMB_BONE, Tissue.MATERNAL_BONE)
MATERNAL = (Tissue.UTERUS, Tissue.PLACENTA, Tissue.FAT, Tissue.MUSCLE)

_TABLE: dict[Tissue, tuple[float, float, float]] = {
    Tissue.OUTSIDE: (1.52, 0.005, -60),
    Tissue.FLUID: (1.52, 0.005, -48),
    Tissue.UTERUS: (1.66, 0.55, -6),
    Tissue.PLACENTA: (1.64, 0.50, 0),
    Tissue.FAT: (1.42, 0.63, -5),
    Tissue.MUSCLE: (1.65, 0.80, -4),
    Tissue.SCALP: (1.63, 0.60, -6),
    Tissue.SKULL: (2.9, 9.0, 6),
    Tissue.SUTURE: (1.66, 0.70, -6),
    Tissue.CSF: (1.51, 0.01, -34),
    Tissue.BRAIN: (1.57, 0.35, -19),
    Tissue.VENTRICLE: (1.51, 0.01, -40),
    Tissue.CHOROID_PLEXUS: (1.60, 0.40, -3),
    Tissue.FALX: (1.64, 0.50, -3),
    Tissue.CEREBELLUM: (1.60, 0.40, -11),
    Tissue.THALAMUS: (1.59, 0.40, -18),
    Tissue.ORBIT: (1.53, 0.05, -36),
    Tissue.FACIAL_BONE: (2.7, 8.0, 4),
    Tissue.FACE: (1.63, 0.60, -7),
    Tissue.NECK: (1.63, 0.60, -9),
    Tissue.SPINE: (2.8, 8.0, 4),
    Tissue.TRUNK: (1.63, 0.60, -8),
    Tissue.LIMB: (1.63, 0.60, -7),
    Tissue.LIMB_BONE: (2.9, 9.0, 5),
    Tissue.CORD: (1.60, 0.30, -12),
    Tissue.MATERNAL_BONE: (4.0, 12.0, 5),
    Tissue.SULCUS: (1.63, 0.40, -6),
}


@dataclass(frozen=True)
class TissueProperties:
    """One value per tissue label (27,): impedance (MRayl), attenuation (dB/cm/MHz), backscatter (dB)."""

    impedance: NDArray[np.float32]
    attenuation: NDArray[np.float32]
    backscatter_db: NDArray[np.float32]


def draw_properties(rng: np.random.Generator, spread: float = 1.0) -> TissueProperties:
    """Draw the tissue properties of one examination; wider than in nature, `spread` scales the variation."""
    table = np.array([_TABLE[t] for t in Tissue], np.float32)
    count = len(table)
    impedance = table[:, 0] * (1 + 0.015 * spread * rng.standard_normal(count))
    attenuation = table[:, 1] * np.exp(0.25 * spread * rng.standard_normal(count))
    backscatter = table[:, 2] + 4.0 * spread * rng.standard_normal(count)
    bones = list(BONES)
    impedance[bones] = rng.uniform(2.3, 4.2, len(bones))
    attenuation[bones] = rng.uniform(3, 15, len(bones))
    fluids = [Tissue.FLUID, Tissue.CSF, Tissue.VENTRICLE, Tissue.ORBIT]
    backscatter[fluids] += 6.0 * spread * rng.standard_normal() + 4.0
    brain = [Tissue.BRAIN, Tissue.THALAMUS, Tissue.CEREBELLUM]
    backscatter[brain] += 5.0 * spread * rng.standard_normal() + 1.5
    return TissueProperties(
        impedance.astype(np.float32), attenuation.astype(np.float32), backscatter.astype(np.float32)
    )
