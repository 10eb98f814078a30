"""The interior of a head: skull with its sutures, brain, ventricles, falx, cerebellum, orbits and facial bones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.phantom import natural
from training.phantom.head import Head
from training.phantom.shapes import Field, Points, capsule, ellipsoid
from training.phantom.tissues import Labels, Tissue


@dataclass(frozen=True)
class Interior:
    """Proportions of one head's interior; mm or fractions of the cranium's radii."""

    suture: float
    fontanelle: tuple[float, float]
    atrium: float
    plexus: float
    midline: float
    sulci: float
    phases: tuple[float, ...]
    bone: float


def draw_interior(rng: np.random.Generator, head: Head) -> Interior:
    """Draw the inner proportions of one head (ranges: fetal sonography, see docs)."""
    older = (head.subject.gestational_age_weeks - 20) / 11
    return Interior(
        suture=float(rng.uniform(0.8, 2.0)),
        fontanelle=(float(rng.uniform(4, 8)), float(rng.uniform(5, 11))),
        atrium=float(rng.normal(7.0, 0.9)),
        plexus=float(rng.uniform(0.55, 0.8)),
        midline=float(rng.uniform(0.4, 0.9)),
        sulci=float(rng.uniform(0.2, 1.0) * (0.4 + 0.6 * older)),
        phases=tuple(float(v) for v in rng.uniform(0, 2 * np.pi, 6)),
        bone=float(rng.uniform(0.9, 1.8)),
    )


def paint_head(labels: Labels, q: Points, skin: Field, head: Head, interior: Interior) -> None:
    """Write the head's tissues into `labels` (n,) at unwarped points `q` with skin distance `skin` (n,)."""
    inside = np.flatnonzero(skin < 0)
    q = q.at(inside)
    cranium = head.cranium(q)
    local = np.full(inside.size, Tissue.FACE, np.uint8)
    local[(head.neck(q) < skin[inside] + 1) & (cranium > 0)] = Tissue.NECK
    local[cranium < head.subject.scalp + 1] = Tissue.SCALP
    _paint_face(local, q, head, interior)
    _paint_skull(local, q, cranium, head, interior)
    _paint_brain(local, q, cranium, head, interior)
    if head.is_natural:
        natural.open_face(local, q, cranium, head)
        _paint_face(local, q, head, interior)
    labels[inside] = local


def _paint_skull(labels: Labels, q: Points, cranium: Field, head: Head, interior: Interior) -> None:
    a, b, c = head.radii
    thickness = head.subject.skull
    shell = (cranium < 0) & (cranium > -thickness)
    top = q.z > -0.1 * c
    width, x = interior.suture, np.abs(q.x)
    sagittal = (x < width) & top & (q.y > -0.62 * b)
    coronal = (np.abs(q.y - 0.25 * b + 0.25 * x) < width) & top
    lambdoid = (np.abs(q.y + 0.62 * b + 0.45 * (x - 0.1 * a)) < width) & (q.z > -0.35 * c)
    across, along = interior.fontanelle
    anterior = (x / across + np.abs(q.y - 0.25 * b) / along < 1) & (q.z > 0)
    posterior = (x / (0.5 * across) + np.abs(q.y + 0.62 * b) / (0.5 * along) < 1) & (q.z > 0)
    soft = sagittal | coronal | lambdoid | anterior | posterior
    labels[shell] = np.where(soft[shell], Tissue.SUTURE, Tissue.SKULL)
    labels[cranium <= -thickness] = Tissue.CSF


def _paint_brain(labels: Labels, q: Points, cranium: Field, head: Head, interior: Interior) -> None:
    a, b, c = head.radii
    depth = -cranium - head.subject.skull - head.subject.subarachnoid
    brain = np.flatnonzero(depth > 0)
    q, depth = q.at(brain), depth[brain]
    local = np.full(brain.size, Tissue.BRAIN, np.uint8)
    x = np.abs(q.x)
    side = Points(np.asarray(x, np.float32), q.y, q.z)
    local[_sulci(q, depth, a, interior)] = Tissue.SULCUS
    sylvian = np.abs(x - 0.62 * a - 0.10 * a * np.cos(3 * q.y / b)) < interior.midline
    local[sylvian & (np.abs(q.y) < 0.35 * b) & (np.abs(q.z + 0.05 * c) < 0.25 * c)] = Tissue.SULCUS
    local[ellipsoid(side, (0.16 * a, 0.05 * b, 0.0), (0.15 * a, 0.16 * b, 0.17 * c)) < 0] = Tissue.THALAMUS
    horn = _ventricle(side, head, interior)
    local[horn < 0] = Tissue.VENTRICLE
    plexus = ellipsoid(
        side, (0.34 * a, -0.20 * b, 0.10 * c), (0.5 * interior.plexus * interior.atrium, 0.22 * b, 0.17 * c)
    )
    local[(plexus < 0) & (horn < 0.5)] = Tissue.CHOROID_PLEXUS
    local[ellipsoid(q, (0.0, 0.34 * b, 0.10 * c), (0.055 * b, 0.12 * b, 0.07 * c)) < 0] = Tissue.VENTRICLE
    local[(x < interior.midline) & (q.z > -0.15 * c) & (np.abs(q.y - 0.03 * b) > 0.2 * b)] = Tissue.FALX
    if head.is_natural:
        natural.paint_landmarks(local, q, horn, head, interior.midline)
    _paint_posterior_fossa(local, q, side, head)
    _paint_skull_base(local, side, head, interior)
    labels[brain] = local


def _sulci(q: Points, depth: Field, a: float, interior: Interior) -> NDArray[np.bool_]:
    """Return thin bright folds near the surface of the brain, more of them in older fetuses."""
    s = interior.phases
    k = np.float32(2 * np.pi / (0.55 * a))
    wave = np.sin(k * q.x + s[0] + np.sin(k * q.y + s[1])) + np.sin(k * q.y + s[2] + np.sin(k * q.z + s[3]))
    wave += np.sin(k * q.z + s[4] + np.sin(k * q.x + s[5]))
    return np.asarray((np.abs(wave) < 0.10) & (depth < interior.sulci * 0.35 * a), np.bool_)


def _ventricle(side: Points, head: Head, interior: Interior) -> Field:
    a, b, c = head.radii
    radius = interior.atrium / 2
    body = capsule(side, (0.20 * a, 0.32 * b, 0.22 * c), (0.33 * a, -0.20 * b, 0.16 * c), 0.55 * radius)
    atrium = ellipsoid(side, (0.36 * a, -0.30 * b, 0.08 * c), (radius, 0.24 * b, 0.16 * c))
    return np.minimum(body, atrium)


def _paint_posterior_fossa(labels: Labels, q: Points, side: Points, head: Head) -> None:
    _, b, c = head.radii
    half = head.subject.transcerebellar / 2
    labels[ellipsoid(q, (0, -0.60 * b, -0.55 * c), (1.2 * half, 0.22 * b, 0.30 * c)) < 0] = Tissue.CSF
    lobe = ellipsoid(side, (0.5 * half, -0.48 * b, -0.50 * c), (0.52 * half, 0.16 * b, 0.24 * c))
    vermis = ellipsoid(q, (0, -0.47 * b, -0.48 * c), (0.2 * half, 0.13 * b, 0.2 * c))
    labels[np.minimum(lobe, vermis) < 0] = Tissue.CEREBELLUM


def _paint_skull_base(labels: Labels, side: Points, head: Head, interior: Interior) -> None:
    a, b, c = head.radii
    petrous = capsule(side, (0.66 * a, -0.20 * b, -0.58 * c), (0.12 * a, 0.06 * b, -0.52 * c), 1.4 * interior.bone)
    sphenoid = capsule(side, (0.64 * a, 0.36 * b, -0.42 * c), (0.10 * a, 0.14 * b, -0.48 * c), 1.1 * interior.bone)
    labels[np.minimum(petrous, sphenoid) < 0] = Tissue.SKULL


def _paint_face(labels: Labels, q: Points, head: Head, interior: Interior) -> None:
    a, b, c = head.radii
    weeks = head.subject.gestational_age_weeks
    inner, outer = 2.304 + 0.510 * weeks, 2.590 + 1.420 * weeks  # orbital diameters, Sukonpan 2008
    f, t = head.subject.face, interior.bone
    side = Points(np.asarray(np.abs(q.x), np.float32), q.y, q.z)
    globe = (outer - inner) / 4
    front = natural.EYES * b if head.is_natural else min(0.80, 0.46 + 0.40 * f.face_depth - 0.08) * b
    orbit = ellipsoid(side, ((inner + outer) / 4, front - 0.6 * globe, -0.36 * c), (globe, globe, globe))
    for shape in (
        _arch(q, (0.42 * a * f.jaw_width, 0.34 * b * f.jaw_depth), 0.46 * b, (-1.18 * c, 0.11 * c), t),
        _arch(q, (0.36 * a * f.face_width, 0.32 * b * f.face_depth), 0.46 * b, (-0.84 * c, 0.07 * c), t),
        np.abs(orbit - t) - np.float32(0.6 * t),
        capsule(q, (0.0, 0.80 * b, -0.40 * c), (0.0, 0.86 * b, -0.56 * c), 0.7 * t),
        capsule(side, (0.40 * a, 0.66 * b, -0.55 * c), (0.56 * a, 0.25 * b, -0.60 * c), t),
        capsule(side, (0.44 * a, 0.32 * b, -0.75 * c), (0.40 * a * f.jaw_width, 0.42 * b, -1.12 * c), t),
    ):
        labels[shape < 0] = Tissue.FACIAL_BONE
    labels[orbit < 0] = Tissue.ORBIT
    beads = np.abs(np.mod(q.z / (0.09 * c), 1.0) - 0.5) < 0.33
    flexion = np.tan(np.deg2rad(head.subject.neck_flexion_deg))
    line = q.y + 0.24 * b + (q.z + 0.95 * c) * (flexion - 0.12)
    column = np.sqrt(q.x**2 + line**2) - np.float32(0.13 * a)
    labels[(column < 0) & beads & (q.z < -0.9 * c)] = Tissue.SPINE


def _arch(q: Points, radii: tuple[float, float], y: float, band: tuple[float, float], thickness: float) -> Field:
    """Return a horseshoe of bone, open to the back: mandible or maxilla."""
    ring = np.sqrt((q.x / radii[0]) ** 2 + ((q.y - y) / radii[1]) ** 2) - 1
    wall = np.abs(ring) * min(radii) - np.float32(thickness)
    height = np.abs(q.z - band[0]) - np.float32(band[1])
    return np.asarray(np.maximum(np.maximum(wall, height), y - 0.1 * radii[1] - q.y), np.float32)
