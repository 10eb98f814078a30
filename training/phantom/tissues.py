"""The tissues of a phantom and their acoustic properties.

Impedance in MRayl, attenuation in dB/cm/MHz one way, backscatter in dB relative to strongly scattering tissue. Typical
values of soft tissue from acoustic tables; those of fetal bone are engineering priors, none were found published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from app.imaging.arrays import UInt8


class Tissue(IntEnum):
    """Labels of a phantom's tissue volume (u8), each with impedance, attenuation and backscatter."""

    acoustics: tuple[float, ...]

    def __new__(cls, label: int, *acoustics: float) -> Tissue:
        """Make a label that knows its acoustics."""
        tissue = int.__new__(cls, label)
        tissue._value_ = label
        tissue.acoustics = acoustics
        return tissue

    OUTSIDE = 0, 1.52, 0.005, -60
    FLUID = 1, 1.52, 0.005, -48
    UTERUS = 2, 1.66, 0.55, -6
    PLACENTA = 3, 1.64, 0.50, 0
    FAT = 4, 1.42, 0.63, -5
    MUSCLE = 5, 1.65, 0.80, -4
    SCALP = 6, 1.63, 0.60, -6
    SKULL = 7, 2.9, 9.0, 6
    SUTURE = 8, 1.66, 0.70, -6
    CSF = 9, 1.51, 0.01, -34
    BRAIN = 10, 1.57, 0.35, -19
    VENTRICLE = 11, 1.51, 0.01, -40
    CHOROID_PLEXUS = 12, 1.60, 0.40, -3
    FALX = 13, 1.64, 0.50, -3
    CEREBELLUM = 14, 1.60, 0.40, -11
    THALAMUS = 15, 1.59, 0.40, -18
    ORBIT = 16, 1.53, 0.05, -36
    FACIAL_BONE = 17, 2.7, 8.0, 4
    FACE = 18, 1.63, 0.60, -7
    NECK = 19, 1.63, 0.60, -9
    SPINE = 20, 2.8, 8.0, 4
    TRUNK = 21, 1.63, 0.60, -8
    LIMB = 22, 1.63, 0.60, -7
    LIMB_BONE = 23, 2.9, 9.0, 5
    CORD = 24, 1.60, 0.30, -12
    MATERNAL_BONE = 25, 4.0, 12.0, 5
    SULCUS = 26, 1.63, 0.40, -6


Labels = UInt8
BONES = (Tissue.SKULL, Tissue.FACIAL_BONE, Tissue.SPINE, Tissue.LIMB_BONE, Tissue.MATERNAL_BONE)
MATERNAL = (Tissue.UTERUS, Tissue.PLACENTA, Tissue.FAT, Tissue.MUSCLE)


@dataclass(frozen=True)
class TissueProperties:
    """One value per tissue label (27,): impedance (MRayl), attenuation (dB/cm/MHz), backscatter (dB)."""

    impedance: NDArray[np.float32]
    attenuation: NDArray[np.float32]
    backscatter_db: NDArray[np.float32]


def draw_properties(
    rng: np.random.Generator, spread: float = 1.0, offsets_db: Mapping[Tissue, float] = MappingProxyType({})
) -> TissueProperties:
    """Draw the tissue properties of one examination; wider than in nature, `spread` scales the variation.

    `offsets_db` are added to the backscatter of some tissues.
    """
    table = np.array([tissue.acoustics for tissue in Tissue], np.float32)
    count = len(table)
    impedance = table[:, 0] * (1 + 0.015 * spread * rng.standard_normal(count))
    attenuation = table[:, 1] * np.exp(0.25 * spread * rng.standard_normal(count))
    backscatter = table[:, 2] + 4.0 * spread * rng.standard_normal(count)
    bones = list(BONES)
    impedance[bones] = rng.uniform(2.3, 4.2 - 1.9 * (1 - spread), len(bones))
    attenuation[bones] = rng.uniform(3, 15 - 12 * (1 - spread), len(bones))
    fluids = [Tissue.FLUID, Tissue.CSF, Tissue.VENTRICLE, Tissue.ORBIT]
    backscatter[fluids] += 6.0 * spread * rng.standard_normal() + 4.0
    brain = [Tissue.BRAIN, Tissue.THALAMUS, Tissue.CEREBELLUM]
    backscatter[brain] += 5.0 * spread * rng.standard_normal() + 1.5
    for kind, offset in offsets_db.items():
        backscatter[kind] += offset
    return TissueProperties(
        impedance.astype(np.float32), attenuation.astype(np.float32), backscatter.astype(np.float32)
    )
