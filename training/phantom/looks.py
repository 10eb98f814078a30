"""Ways in which an ultrasound machine forms its picture. They differ in kind, not only in numbers.

`fundamental` is plain coherent imaging with Rayleigh speckle and log compression; `compound` averages several looks,
sharpens edges and bends the tone curve; `grainy` has K-distributed, coarse speckle, gain bands, side lobes,
reverberation and a matrix probe's box; `contrast` is the hard, dark look of a volume rendered for display, sometimes
cut out around the head.
`vintage` never appears in training: its noise is not formed coherently at all, its tone follows the local contrast and
its fan starts in a small apex. It is the image formation of the shifted set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from training.phantom.probe import Probe

LOOKS = ("fundamental", "compound", "grainy", "contrast", "vintage")
TRAINING_LOOKS = LOOKS[:4]


@dataclass(frozen=True)
class Look:
    """Image formation of one examination; dB unless said otherwise."""

    name: str
    speckle: Literal["rayleigh", "k", "postlog"]
    grain: float
    shape: float
    looks_averaged: int
    dynamic_range: float
    tone: Literal["log", "power", "adaptive"]
    gamma: float
    s_curve: float
    edge: float
    despeckle: Literal["none", "median", "gaussian"]
    bands: float
    side_lobe: float
    reverberation: float
    haze: float
    compensation: float
    noise: float
    specular: float
    incidence_power: float
    critical_deg: float
    critical_loss: float
    lateral_smear: float
    mask_margin: float


def draw_look(name: str, rng: np.random.Generator) -> Look:
    """Numbers of one examination with the look `name`.

    Raises:
        ValueError: an unknown look.
    """
    if name not in LOOKS:
        raise ValueError(f"unknown look {name!r}: expected one of {', '.join(LOOKS)}")
    u = rng.uniform
    common: dict[str, object] = {
        "name": name,
        "speckle": "rayleigh",
        "grain": u(0.8, 1.3),
        "shape": 1.0,
        "looks_averaged": 1,
        "dynamic_range": u(48, 72),
        "tone": "log",
        "gamma": u(0.7, 1.4),
        "s_curve": 0.0,
        "edge": 0.0,
        "despeckle": "none",
        "bands": u(0, 3),
        "side_lobe": u(-48, -34),
        "reverberation": u(-45, -26),
        "haze": u(0.004, 0.05),
        "compensation": u(0.25, 1.05),
        "noise": u(-90, -62),
        "specular": u(6, 18),
        "incidence_power": u(2, 8),
        "critical_deg": u(28, 52),
        "critical_loss": u(6, 22),
        "lateral_smear": u(0.8, 1.5),
        "mask_margin": 0.0,
    }
    return Look(**(common | _kind(name, rng)))  # type: ignore[arg-type]


def _kind(name: str, rng: np.random.Generator) -> dict[str, object]:
    u = rng.uniform
    if name == "compound":
        return {
            "looks_averaged": int(rng.integers(3, 7)),
            "edge": u(0.3, 1.6),
            "s_curve": u(0.2, 0.9),
            "despeckle": str(rng.choice(["none", "gaussian"])),
            "lateral_smear": u(1.2, 2.2),
        }
    if name == "grainy":
        return {
            "speckle": "k",
            "shape": u(0.4, 2.0),
            "grain": u(1.4, 2.8),
            "bands": u(3, 9),
            "side_lobe": u(-36, -24),
            "reverberation": u(-26, -14),
            "tone": str(rng.choice(["log", "power"])),
            "gamma": u(0.6, 1.6),
        }
    if name == "contrast":
        return {
            "dynamic_range": u(30, 46),
            "gamma": u(1.2, 2.2),
            "specular": u(12, 30),
            "grain": u(1.0, 2.0),
            "despeckle": str(rng.choice(["median", "gaussian"])),
            "looks_averaged": int(rng.integers(1, 3)),
            "critical_loss": u(2, 12),
            "mask_margin": float(rng.choice([0.0, u(3, 20)])),
        }
    if name == "vintage":
        return {
            "speckle": "postlog",
            "shape": u(3, 8),
            "grain": u(1.0, 2.2),
            "tone": "adaptive",
            "despeckle": "median",
            "bands": u(2, 6),
            "dynamic_range": u(44, 60),
            "compensation": u(0.4, 1.2),
        }
    return {}


def draw_probe(name: str, rng: np.random.Generator) -> Probe:
    """A probe that suits the look: curved volume probes, a matrix probe's box, or the small apex of `vintage`."""
    u = rng.uniform
    frequency, depth = u(2.5, 5.0), u(130, 170)
    radius, offset, lateral, sweep = u(38, 60), u(0, 20), u(60, 80), u(58, 85)
    if name == "grainy" and rng.random() < 0.5:
        radius, offset, lateral, sweep = u(500, 900), 0.0, u(14, 24), u(10, 18)
    if name == "vintage":
        radius, offset, lateral, sweep = u(12, 22), u(0, 4), u(80, 96), u(70, 90)
    return Probe(
        array_radius=float(radius),
        sweep_offset=float(offset),
        lateral_deg=float(lateral),
        sweep_deg=float(sweep),
        depth=float(depth),
        frequency_mhz=float(frequency),
        cycles=float(u(1.5, 3.0)),
        f_number=float(u(1.6, 3.0)),
        aperture=float(u(18, 32)),
        elevation_width=float(u(9, 15)),
        elevation_focus=float(u(50, 80)),
    )
