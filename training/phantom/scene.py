"""Scenes: all that is drawn before a sample is computed, that is fetus, pose, probe, look and field of view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.phantom.head import Head
from training.phantom.interior import Interior, draw_interior
from training.phantom.looks import TRAINING_LOOKS, ScannerLook, draw_look, draw_probe
from training.phantom.probe import CartesianGrid, Probe
from training.phantom.shapes import Points
from training.phantom.subject import draw_subject
from training.phantom.surroundings import HeadPose, Surroundings, draw_surroundings

TRAINING_FAMILIES = ("parametric", "freeform")
NATIVE_SHAPE = (388, 258, 440)
NATIVE_SPACING = 0.38
SPACINGS_MM = (0.2, 20.0)
"""Finer spacings fill the memory; coarser ones do not show a head."""
_SURFACE_STEP = 4.0
_TRIES = 80
_TRIES_FOR_ALL = 400


@dataclass(frozen=True)
class SimulationRequest:
    """The parameters of a simulation.

    Everything that is None is drawn from `seed`. `fixed_field` keeps the paper's field of view of 147 x 98 x 167 mm;
    otherwise its extent varies. `whole_head` keeps all of the head in view, as far as it fits. `subject_seed` fixes the
    fetus while `seed` varies pose, probe and speckle.

    Raises:
        ValueError: the seed is below 0, or the spacing outside `SPACINGS_MM`.
    """

    seed: int
    spacing: float = NATIVE_SPACING
    weeks: float | None = None
    family: str | None = None
    look: str | None = None
    fixed_field: bool = True
    subject_seed: int | None = None
    rotation: tuple[tuple[float, float, float], ...] | None = None
    whole_head: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for parameters that cannot be simulated."""
        if self.seed < 0:
            raise ValueError(f"a seed is a whole number from 0 on, got {self.seed}; choose another")
        least, most = SPACINGS_MM
        if not least <= self.spacing <= most:
            raise ValueError(
                f"simulated voxels have {least:g} to {most:g} mm, got {self.spacing:g}; choose another size"
            )


@dataclass(frozen=True)
class Scene:
    """Everything that is drawn before a sample is computed."""

    head: Head
    interior: Interior
    pose: HeadPose
    probe: Probe
    look: ScannerLook
    box: CartesianGrid
    surroundings: Surroundings
    in_view: float


def draw_scene(request: SimulationRequest, subject_rng: np.random.Generator, rng: np.random.Generator) -> Scene:
    """Draw the fetus, its pose and its examination."""
    if request.subject_seed is not None:
        subject_rng = np.random.default_rng([request.subject_seed, 11])
    family = request.family or str(subject_rng.choice(TRAINING_FAMILIES))
    name = request.look or str(rng.choice(TRAINING_LOOKS))
    head = Head(draw_subject(subject_rng, family, request.weeks))
    interior = draw_interior(subject_rng, head)
    probe, look = draw_probe(name, rng), draw_look(name, rng)
    box = _draw_box(request, probe, rng)
    body = sample_head(head)
    pose, in_view = _draw_pose(rng, body, probe, box, request)
    surroundings = draw_surroundings(rng, head, pose, pose.to_probe(body))
    return Scene(head, interior, pose, probe, look, box, surroundings, in_view)


def _draw_box(request: SimulationRequest, probe: Probe, rng: np.random.Generator) -> CartesianGrid:
    extent = np.array(NATIVE_SHAPE) * NATIVE_SPACING
    if not request.fixed_field:
        extent = extent * np.array([rng.uniform(0.85, 1.35), rng.uniform(0.95, 1.6), rng.uniform(0.8, 1.1)])
    shape = tuple(int(v) for v in np.maximum(np.rint(extent / request.spacing), 16))
    if request.fixed_field and request.spacing == NATIVE_SPACING:
        shape = NATIVE_SHAPE
    size = np.array(shape) * request.spacing
    start = np.array([-size[0] / 2, -size[1] / 2, probe.array_radius - rng.uniform(0, 12)])
    start += rng.normal(0, 3, 3) * np.array([1, 1, 0])
    return CartesianGrid(shape, request.spacing, tuple(float(v) for v in start + request.spacing / 2))  # type: ignore[arg-type]


def sample_head(head: Head) -> NDArray[np.float64]:
    """Return points (n, 3) that fill the whole head, 4 mm apart, head frame."""
    axis = np.arange(-head.reach, head.reach + _SURFACE_STEP, _SURFACE_STEP, dtype=np.float32)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    inside = head.truth(Points(x, y, z)) < 0
    return np.stack([x[inside], y[inside], z[inside]], axis=1).astype(np.float64)


def _draw_pose(
    rng: np.random.Generator,
    body: NDArray[np.float64],
    probe: Probe,
    box: CartesianGrid,
    request: SimulationRequest,
) -> tuple[HeadPose, float]:
    """Draw a free pose: mostly with the whole head in view, in some 7 % of the cases partly outside."""
    cut = rng.random() < 0.07 and not request.whole_head
    low, high = (0.80, 0.96) if cut else (0.997, 1.0)
    best: tuple[float, HeadPose, float] | None = None
    for _ in range(_TRIES_FOR_ALL if request.whole_head else _TRIES):
        turn = _draw_rotation(rng) if request.rotation is None else np.asarray(request.rotation, float)
        pose = HeadPose(turn, _draw_centre(rng, body @ turn, probe, box))
        view = _measure_fraction_in_view(pose, body, probe, box)
        miss = max(low - view, view - high, 0.0)
        if best is None or miss < best[0]:
            best = (miss, pose, view)
        if miss == 0:
            break
    if best is None:
        raise RuntimeError("no pose was tried")
    return best[1], best[2]


def _draw_centre(
    rng: np.random.Generator, rotated: NDArray[np.float64], probe: Probe, box: CartesianGrid
) -> NDArray[np.float64]:
    """Draw a centre that puts the head's near side below the abdominal wall, near the beam's axis."""
    near = rotated.min(0)[2]
    depth = probe.array_radius + rng.uniform(14, 55) - near
    middle = np.array([box.axis(n).mean() for n in range(2)])
    offset = -rotated.mean(0)[:2] + middle + rng.normal(0, 1, 2) * np.array([10, 5])
    return np.array([*offset, depth])


def _measure_fraction_in_view(pose: HeadPose, body: NDArray[np.float64], probe: Probe, box: CartesianGrid) -> float:
    placed = pose.to_probe(body)
    p = Points(*(np.asarray(placed[:, n], np.float32) for n in range(3)))
    return float((probe.sees(p) & box.holds(p)).mean())


def _draw_rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return np.asarray(q if np.linalg.det(q) > 0 else q[:, [1, 0, 2]], np.float64)
