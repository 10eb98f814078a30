"""Looks: ways in which a scanner forms its image. They differ in kind, not only in numbers.

`fundamental` is plain coherent imaging with Rayleigh speckle and log compression; `compound` averages several looks,
sharpens edges and bends the tone curve; `grainy` has K-distributed, coarse speckle, gain bands, side lobes,
reverberation and a matrix probe's box; `contrast` is the hard, dark look of a volume rendered for display, sometimes
cut out around the head. `neuro` is what a sonographer keeps of a fetal brain: gain and dynamic range set for the grey
values inside the head, little clutter.

`vintage` never appears in training: its noise is not formed coherently, its tone follows the local contrast and its
fan starts in a small apex. It is the image formation of the shifted set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np

from training.phantom.probe import Probe

LOOKS = ("fundamental", "compound", "grainy", "contrast", "vintage", "neuro")
TRAINING_LOOKS = LOOKS[:4]
Option = TypeVar("Option")


@dataclass(frozen=True)
class ScannerLook:
    """Image formation of one examination; dB unless said otherwise."""

    name: str
    speckle: Literal["rayleigh", "k", "postlog"]
    grain: float
    shape: float
    looks_averaged: int
    dynamic_range: float
    tone: Literal["log", "power", "adaptive", "brain"]
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


def draw_look(name: str, rng: np.random.Generator) -> ScannerLook:
    """Draw the parameters of one examination with the look `name`.

    Raises:
        ValueError: the look is unknown.
    """
    if name not in LOOKS:
        raise ValueError(f"unknown look {name!r}: expected one of {', '.join(LOOKS)}")
    u = rng.uniform
    common = ScannerLook(
        name=name,
        speckle="rayleigh",
        grain=u(0.8, 1.3),
        shape=1.0,
        looks_averaged=1,
        dynamic_range=u(48, 72),
        tone="log",
        gamma=u(0.7, 1.4),
        s_curve=0.0,
        edge=0.0,
        despeckle="none",
        bands=u(0, 3),
        side_lobe=u(-48, -34),
        reverberation=u(-45, -26),
        haze=u(0.004, 0.05),
        compensation=u(0.25, 1.05),
        noise=u(-90, -62),
        specular=u(6, 18),
        incidence_power=u(2, 8),
        critical_deg=u(28, 52),
        critical_loss=u(6, 22),
        lateral_smear=u(0.8, 1.5),
        mask_margin=0.0,
    )
    return KINDS[name](common, rng) if name in KINDS else common


def _draw_compound(common: ScannerLook, rng: np.random.Generator) -> ScannerLook:
    u = rng.uniform
    return replace(
        common,
        looks_averaged=int(rng.integers(3, 7)),
        edge=u(0.3, 1.6),
        s_curve=u(0.2, 0.9),
        despeckle=_choose(rng, ("none", "gaussian")),
        lateral_smear=u(1.2, 2.2),
    )


def _draw_grainy(common: ScannerLook, rng: np.random.Generator) -> ScannerLook:
    u = rng.uniform
    return replace(
        common,
        speckle="k",
        shape=u(0.4, 2.0),
        grain=u(1.4, 2.8),
        bands=u(3, 9),
        side_lobe=u(-36, -24),
        reverberation=u(-26, -14),
        tone=_choose(rng, ("log", "power")),
        gamma=u(0.6, 1.6),
    )


def _draw_contrast(common: ScannerLook, rng: np.random.Generator) -> ScannerLook:
    u = rng.uniform
    return replace(
        common,
        dynamic_range=u(30, 46),
        gamma=u(1.2, 2.2),
        specular=u(12, 30),
        grain=u(1.0, 2.0),
        despeckle=_choose(rng, ("median", "gaussian")),
        looks_averaged=int(rng.integers(1, 3)),
        critical_loss=u(2, 12),
        mask_margin=_choose(rng, (0.0, u(3, 20))),
    )


def _draw_vintage(common: ScannerLook, rng: np.random.Generator) -> ScannerLook:
    u = rng.uniform
    return replace(
        common,
        speckle="postlog",
        shape=u(3, 8),
        grain=u(1.0, 2.2),
        tone="adaptive",
        despeckle="median",
        bands=u(2, 6),
        dynamic_range=u(44, 60),
        compensation=u(0.4, 1.2),
    )


def _draw_neuro(common: ScannerLook, rng: np.random.Generator) -> ScannerLook:
    u = rng.uniform
    return replace(
        common,
        looks_averaged=int(rng.integers(2, 5)),
        grain=u(0.8, 1.2),
        tone="brain",
        despeckle=_choose(rng, ("none", "gaussian")),
        bands=u(0, 1.5),
        side_lobe=u(-50, -40),
        reverberation=u(-48, -34),
        haze=u(0.003, 0.015),
        compensation=u(0.6, 1.0),
        noise=u(-95, -78),
        specular=u(14, 28),
        lateral_smear=u(0.8, 1.3),
        critical_deg=u(32, 50),
        critical_loss=u(6, 18),
    )


KINDS: dict[str, Callable[[ScannerLook, np.random.Generator], ScannerLook]] = {
    "compound": _draw_compound,
    "grainy": _draw_grainy,
    "contrast": _draw_contrast,
    "vintage": _draw_vintage,
    "neuro": _draw_neuro,
}
TISSUE_SPREAD = {"neuro": 0.4}
"""How widely the tissues of an examination vary with a look; 1, far beyond nature, where nothing is said."""


def _choose(rng: np.random.Generator, options: tuple[Option, ...]) -> Option:
    return options[int(rng.integers(len(options)))]


def draw_probe(name: str, rng: np.random.Generator) -> Probe:
    """Draw a probe that suits the look: a curved volume probe, a matrix probe's box, or the small apex of `vintage`.

    `neuro` has a wide fan, so that the whole head is in view.
    """
    u = rng.uniform
    frequency, depth = u(2.5, 5.0), u(130, 170)
    radius, offset, lateral, sweep = u(38, 60), u(0, 20), u(60, 80), u(58, 85)
    if name == "grainy" and rng.random() < 0.5:
        radius, offset, lateral, sweep = u(500, 900), 0.0, u(14, 24), u(10, 18)
    if name == "vintage":
        radius, offset, lateral, sweep = u(12, 22), u(0, 4), u(80, 96), u(70, 90)
    if name == "neuro":
        lateral, sweep = u(72, 86), u(72, 90)
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
