"""The scanned subject: gestational age, head size and the proportions that distinguish one head from another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.imaging import growth

FAMILIES = ("parametric", "freeform", "lofted", "natural")
"""Ways of building a head. `lofted` is never used in training: it is the anatomy of the shifted set."""

WEEKS = (20.0, 31.0)
"""Gestational ages of the simulated patients, as in the paper."""


@dataclass(frozen=True)
class Subject:
    """One fetus: sizes in mm, proportions as factors of the average ones."""

    gestational_age_weeks: float
    family: str
    half_width: float
    half_length: float
    half_height: float
    transcerebellar: float
    scalp: float
    skull: float
    subarachnoid: float
    roundness: float
    modes: tuple[float, ...]
    face: Proportions
    neck_flexion_deg: float
    warp: NDArray[np.float32] | None


@dataclass(frozen=True)
class Proportions:
    """Factors on the average face and neck."""

    face_width: float
    face_depth: float
    face_height: float
    jaw_width: float
    jaw_depth: float
    chin: float
    nose: float
    neck: float
    fillet: float


def draw_subject(rng: np.random.Generator, family: str, weeks: float | None = None) -> Subject:
    """Draw a fetus of `weeks` (drawn from 20 to 31 when None), with its size from INTERGROWTH-21st.

    Raises:
        ValueError: the family is unknown, or the growth standard does not cover the age.
    """
    if family not in FAMILIES:
        raise ValueError(f"unknown head family {family!r}: expected one of {', '.join(FAMILIES)}")
    age = float(rng.uniform(*WEEKS)) if weeks is None else float(weeks)
    circumference = growth.head_circumference(age).at(float(np.clip(rng.normal(), -2.5, 2.5)))
    index = float(np.clip(rng.normal(0.795, 0.035), 0.70, 0.90))
    length = 2 * circumference / (np.pi * (1 + index))
    width = index * length
    older = (age - 20) / 11
    return Subject(
        gestational_age_weeks=age,
        family=family,
        half_width=width / 2,
        half_length=length / 2,
        half_height=width / 2 * float(rng.normal(0.98, 0.03)),
        transcerebellar=growth.transcerebellar_diameter(age).at(float(rng.normal())),
        scalp=(1.6 + 1.4 * older) * float(rng.uniform(0.75, 1.35)),
        skull=(0.9 + 0.7 * older) * float(rng.uniform(0.75, 1.3)),
        subarachnoid=float(rng.uniform(1.0, 3.0)),
        roundness=float(rng.uniform(1.9, 2.3)),
        modes=tuple(float(v) for v in rng.normal(0, _MODE_SD[family], 8)),
        face=_draw_proportions(rng, _FACE_SD[family]),
        neck_flexion_deg=float(rng.normal(0, _FLEXION_SD_DEG[family])),
        warp=_draw_warp(rng, width) if family == "freeform" else None,
    )


_MODE_SD = {"parametric": 0.012, "freeform": 0.018, "lofted": 0.02, "natural": 0.014}
_FACE_SD = {"parametric": 0.07, "freeform": 0.16, "lofted": 0.12, "natural": 0.08}
_FLEXION_SD_DEG = {"parametric": 12, "freeform": 16, "lofted": 16, "natural": 12}


def _draw_proportions(rng: np.random.Generator, spread: float) -> Proportions:
    factors = np.clip(1 + spread * rng.standard_normal(8), 0.65, 1.4)
    width, depth, height, jaw_width, jaw_depth, chin, nose, neck = (float(f) for f in factors)
    fillet = float(rng.uniform(0.05, 0.16))
    return Proportions(width, depth, height, jaw_width, jaw_depth, chin, nose, neck, fillet)


def _draw_warp(rng: np.random.Generator, width: float) -> NDArray[np.float32]:
    """Draw displacements (3, n, n, n) in mm on a coarse lattice over three head widths; asymmetric on purpose."""
    return (rng.normal(0, rng.uniform(0.015, 0.05) * width, (3, 6, 6, 6))).astype(np.float32)
