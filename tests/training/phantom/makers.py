"""Small known situations for the simulator's tests."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from training.phantom.head import Head
from training.phantom.looks import ScannerLook, draw_look
from training.phantom.probe import PolarGrid, Probe
from training.phantom.subject import Proportions, Subject


def ellipsoid_head(half_width: float, half_length: float, half_height: float) -> Head:
    """A head that is nothing but an ellipsoid: no face, a neck thinner than a hair."""
    subject = Subject(
        gestational_age_weeks=25.0,
        family="parametric",
        half_width=half_width,
        half_length=half_length,
        half_height=half_height,
        transcerebellar=27.0,
        scalp=0.0,
        skull=1.2,
        subarachnoid=2.0,
        roundness=2.0,
        modes=(0.0,) * 8,
        face=Proportions(0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 1e-4, 1e-4),
        neck_flexion_deg=0.0,
        warp=None,
    )
    return Head(subject)


def straight_probe(depth: float = 60.0) -> Probe:
    """A probe whose beams are almost parallel."""
    return Probe(
        array_radius=2000.0,
        sweep_offset=0.0,
        lateral_deg=2.0,
        sweep_deg=2.0,
        depth=depth,
        frequency_mhz=3.5,
        cycles=2.0,
        f_number=2.0,
        aperture=25.0,
        elevation_width=12.0,
        elevation_focus=60.0,
    )


def straight_grid(probe: Probe, shape: tuple[int, int, int], step: float) -> PolarGrid:
    """Samples `step` mm apart in all directions."""
    r = (probe.array_radius + step * np.arange(shape[0])).astype(np.float32)
    angles = [((np.arange(n) - (n - 1) / 2) * step / probe.array_radius).astype(np.float32) for n in shape[1:]]
    return PolarGrid(r, *angles)


def plain_look(**changes: object) -> ScannerLook:
    """A look with grain 1 and no smear, changed as asked."""
    look = draw_look("fundamental", np.random.default_rng(0))
    return dataclasses.replace(look, **({"grain": 1.0, "lateral_smear": 1.0} | changes))  # type: ignore[arg-type]


def width_at_half_maximum(correlation: NDArray[np.float64], step: float) -> float:
    """Full width at half maximum of a correlation that falls from 1 at lag 0; mm."""
    below = int(np.flatnonzero(correlation < 0.5)[0])
    high, low = correlation[below - 1], correlation[below]
    return float(2 * step * (below - 1 + (high - 0.5) / (high - low)))
