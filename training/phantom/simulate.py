"""Simulation of one examination: a fetus, a pose, a probe, an image and the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.contract.value import Value
from app.imaging.resample import resample
from app.imaging.volume import Volume, VolumeGeometry
from training.phantom.acoustics import form_image
from training.phantom.frame import HeadFrame, find_frame
from training.phantom.head import Head
from training.phantom.interior import paint_head
from training.phantom.looks import TISSUE_SPREAD
from training.phantom.probe import PolarGrid, convert_labels, make_polar_grid, scan_convert
from training.phantom.scene import Scene, SimulationRequest, draw_scene
from training.phantom.shapes import Field, Points
from training.phantom.surroundings import paint_surroundings, paint_trunk
from training.phantom.tissues import MATERNAL, draw_properties

_FAR = 24.0
"""Distances from the skin are clipped at this, mm."""
_SKIN_MARGIN = 15.0
"""The distance from the skin is computed up to this, for tissue that follows the skin, mm."""
_CONTACT = 2.0
"""Tissue within this distance of the skin touches it, mm."""
_TOUCHES = 0.02


class PhantomRecord(Value):
    """The record of how a phantom was made; volumes in mL."""

    seed: int
    gestational_age_weeks: float
    family: str
    look: str
    spacing_mm: float
    true_volume_ml: float
    """Volume of the whole head, including parts outside the field of view."""
    head_in_view: float
    """Fraction of the head inside the field of view."""
    truncated: bool
    touches: bool
    """Uterus, placenta or maternal wall lies against more than 2 % of the skin."""
    frame: HeadFrame | None = None
    """None in files of earlier versions."""


@dataclass(frozen=True)
class Phantom:
    """A simulated volume (u8), its truth (u8, 0 or 1), tissue labels (u8), all on one grid, and its record.

    The truth is the part of the whole head inside the fan; outside there is no image to delineate.
    """

    volume: Volume
    truth: Volume
    tissues: Volume
    record: PhantomRecord


def simulate(request: SimulationRequest) -> Phantom:
    """Simulate one examination; the same request gives the same voxels.

    Raises:
        ValueError: the family or look is unknown, or the age is outside the growth standard.
    """
    streams = _make_streams(request)
    scene = draw_scene(request, streams[0], streams[1])
    box, probe = scene.box, scene.probe
    grid = make_polar_grid(
        probe,
        box,
        arc=float(np.clip(1.15 * box.spacing, 0.95, 3.0)),
        axial=float(np.clip(0.45 * box.spacing, 0.3, 1.2)),
    )
    labels, contact = paint(scene, grid)
    tissue = draw_properties(streams[2], TISSUE_SPREAD.get(scene.look.name, 1.0), scene.head.offsets_db)
    image = form_image(labels, grid, probe, scene.look, tissue, streams[3])
    volume = scan_convert(image, grid, probe, box)
    distance = truth_distance(scene)
    if scene.look.mask_margin:
        volume[distance > scene.look.mask_margin] = 0
    truth = ((distance < 0) & (volume > 0)).astype(np.uint8)
    geometry = VolumeGeometry(box.shape, np.diag([box.spacing] * 3 + [1.0]))
    return Phantom(
        Volume(volume, geometry),
        Volume(truth, geometry),
        Volume(convert_labels(labels, grid, probe, box), geometry),
        _make_record(request, scene, contact),
    )


def find_scene(request: SimulationRequest) -> Scene:
    """Return the scene that `simulate` draws for a request, without simulating its image."""
    streams = _make_streams(request)
    return draw_scene(request, streams[0], streams[1])


def whole_volume_ml(head: Head, step: float = 1.0) -> float:
    """Return the volume of the whole head in mL, by counting cells of `step` mm whose distance is interpolated."""
    axis = np.arange(-head.reach, head.reach + step, step, dtype=np.float32)
    total = 0.0
    for part in np.array_split(axis, max(len(axis) // 24, 1)):
        p = Points(*np.meshgrid(part, axis, axis, indexing="ij"))
        distance = head.truth(p.at(np.flatnonzero(head.surrounds(p, 0.0))))
        total += float(np.clip(0.5 - distance / step, 0, 1).sum(dtype=np.float64))
    return total * step**3 / 1000


def paint(scene: Scene, grid: PolarGrid) -> tuple[NDArray[np.uint8], float]:
    """Paint the scene's tissue labels (R, T, P); return also the share of the skin that touches maternal tissue."""
    p = grid.points(scene.probe.sweep_offset)
    near, local = _find_near(scene, p, 2.2 * scene.head.reach)
    close = np.flatnonzero(scene.head.surrounds(local, _SKIN_MARGIN))
    unwarped = scene.head.unwarp(local.at(close))
    skin = np.full(p.x.shape, 1e3, np.float32)
    skin.reshape(-1)[near[close]] = scene.head.skin(unwarped)
    depth = (grid.r - grid.r[0])[:, None, None]
    angles = (grid.theta[None, :, None], grid.phi[None, None, :])
    labels = paint_surroundings(p, depth, angles, skin, scene.surroundings)
    flat = labels.reshape(-1)
    around = flat[near[close]][np.abs(skin.reshape(-1)[near[close]] - _CONTACT / 2) < _CONTACT / 2]
    contact = float(np.isin(around, MATERNAL).mean()) if around.size else 0.0
    body = flat[near]
    paint_trunk(body, local, scene.head, scene.surroundings)
    head = body[close]
    paint_head(head, unwarped, skin.reshape(-1)[near[close]], scene.head, scene.interior)
    body[close] = head
    flat[near] = body
    return labels, contact


def truth_distance(scene: Scene) -> Field:
    """Return the signed distance to the head's surface on the stored grid, mm; computed coarsely and interpolated."""
    box = scene.box
    factor = max(round(1.3 / box.spacing), 1)
    coarse_step = box.spacing * factor
    shape = tuple(n // factor + 3 for n in box.shape)
    axes = [np.asarray(box.first[n] + coarse_step * (np.arange(shape[n]) - 1), np.float32) for n in range(3)]
    distance = np.full(shape, _FAR, np.float32)
    p = Points(*np.meshgrid(*axes, indexing="ij"))
    near, local = _find_near(scene, p, scene.head.reach + 25)
    close = np.flatnonzero(scene.head.surrounds(local, _FAR))
    distance.reshape(-1)[near[close]] = scene.head.truth(local.at(close))
    distance = np.minimum(distance, _FAR)
    affine = np.diag([coarse_step] * 3 + [1.0])
    affine[:3, 3] = -coarse_step
    fine = VolumeGeometry(box.shape, np.diag([box.spacing] * 3 + [1.0]))
    return resample(Volume(distance, VolumeGeometry(shape, affine)), fine, fill="edge", antialias=False).data


def _find_near(scene: Scene, p: Points, radius: float) -> tuple[NDArray[np.intp], Points]:
    """Return the flat positions of the points within so many mm of the head's centre, and these in the head frame."""
    x, y, z = (c - o for c, o in zip((p.x, p.y, p.z), scene.pose.centre.astype(np.float32), strict=True))
    near = np.flatnonzero(x**2 + y**2 + z**2 < np.float32(radius**2))
    return near, scene.pose.to_head(p.at(near))


def _make_streams(request: SimulationRequest) -> list[np.random.Generator]:
    """Make the generators of fetus, examination, tissues and image."""
    return [np.random.default_rng(s) for s in np.random.SeedSequence([request.seed, 7]).spawn(4)]


def _make_record(request: SimulationRequest, scene: Scene, contact: float) -> PhantomRecord:
    return PhantomRecord(
        seed=request.seed,
        gestational_age_weeks=round(scene.head.subject.gestational_age_weeks, 3),
        family=scene.head.subject.family,
        look=scene.look.name,
        spacing_mm=request.spacing,
        true_volume_ml=round(whole_volume_ml(scene.head, 2.5), 3),
        head_in_view=round(scene.in_view, 4),
        truncated=scene.in_view < 0.99,
        touches=contact > _TOUCHES,
        frame=find_frame(scene.head, scene.pose, scene.box),
    )
