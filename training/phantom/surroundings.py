"""The surroundings of the head: maternal wall, uterus, placenta, fluid, trunk, limbs and cord, in the probe frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.phantom.head import Head
from training.phantom.shapes import Field, Points, capsule, ellipsoid
from training.phantom.tissues import Labels, Tissue


@dataclass(frozen=True)
class Wall:
    """Tissue beyond the wavy plane normal . p > offset; where it `hugs`, it follows the skin at `gap` mm."""

    normal: NDArray[np.float64]
    offset: float
    thickness: float
    tissue: Tissue
    wave: tuple[float, float, float]
    gap: float
    hugs: bool


@dataclass(frozen=True)
class Tube:
    """A limb or a piece of cord: a bent tube with an optional bone core, probe frame, mm."""

    nodes: NDArray[np.float64]
    radius: float
    core: float
    tissue: Tissue


@dataclass(frozen=True)
class Surroundings:
    """Everything that is not the head."""

    wall_depth: float
    fat_fraction: float
    uterus: float
    tilt: tuple[float, float]
    walls: tuple[Wall, ...]
    tubes: tuple[Tube, ...]
    trunk: tuple[float, float, float]


@dataclass(frozen=True)
class HeadPose:
    """The pose of the head: rotation (3, 3), its rows the head's axes in the probe frame, and centre (3,) in mm."""

    rotation: NDArray[np.float64]
    centre: NDArray[np.float64]

    def to_head(self, p: Points) -> Points:
        """Convert points from the probe frame to the head frame."""
        x, y, z = (np.asarray(c - np.float32(o), np.float32) for c, o in zip((p.x, p.y, p.z), self.centre, strict=True))
        r = self.rotation.astype(np.float32)
        return Points(*(r[i, 0] * x + r[i, 1] * y + r[i, 2] * z for i in range(3)))

    def to_probe(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert points (n, 3) from the head frame to the probe frame."""
        return points @ self.rotation + self.centre


def draw_surroundings(
    rng: np.random.Generator, head: Head, pose: HeadPose, surface: NDArray[np.float64]
) -> Surroundings:
    """Draw the surroundings of a head in its pose; `surface` (n, 3) are points of its skin in the probe frame."""
    touches = bool(rng.random() < 0.65)
    walls = []
    for direction in _draw_wall_directions(rng):
        gap = rng.uniform(-2.5, 0.5) if touches and rng.random() < 0.6 else rng.uniform(1, 28)
        walls.append(_draw_wall(rng, direction, surface, float(gap), touches))
    tubes = [_draw_limb(rng, head, pose) for _ in range(rng.integers(0, 4))]
    tubes += [_draw_cord(rng, head, pose) for _ in range(rng.integers(0, 3))]
    return Surroundings(
        wall_depth=float(rng.uniform(8, 25)),
        fat_fraction=float(rng.uniform(0.2, 0.6)),
        uterus=float(rng.uniform(3, 11)),
        tilt=(float(rng.normal(0, 0.06)), float(rng.normal(0, 0.06))),
        walls=tuple(walls),
        tubes=tuple(tubes),
        trunk=(float(rng.uniform(1.05, 1.45)), float(rng.uniform(0.85, 1.2)), float(rng.uniform(1.3, 1.8))),
    )


def _draw_wall_directions(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    base = np.array([[0, 0, 1], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]], float)
    kept = [base[0]] + [d for d in base[1:] if rng.random() < 0.55]
    jittered = [d + rng.normal(0, 0.35, 3) for d in kept]
    return [d / np.linalg.norm(d) for d in jittered]


def _draw_wall(
    rng: np.random.Generator, normal: NDArray[np.float64], surface: NDArray[np.float64], gap: float, touches: bool
) -> Wall:
    placenta = rng.random() < 0.4
    return Wall(
        normal=normal,
        offset=float((surface @ normal).max() + gap),
        thickness=float(rng.uniform(14, 40) if placenta else rng.uniform(3, 12)),
        tissue=Tissue.PLACENTA if placenta else Tissue.UTERUS,
        wave=(float(rng.uniform(0, 3.5)), float(rng.uniform(0.05, 0.16)), float(rng.uniform(0, 6.28))),
        gap=float(rng.uniform(0, 2.0)),
        hugs=bool(touches and rng.random() < 0.35),
    )


def _draw_limb(rng: np.random.Generator, head: Head, pose: HeadPose) -> Tube:
    start, tangent = _draw_place_beside_head(rng, head, gap=float(rng.uniform(-1, 18)))
    a = head.radii[0]
    length = float(rng.uniform(0.7, 1.6) * a)
    elbow = start + tangent * length + rng.normal(0, 0.1 * a, 3)
    hand = elbow + length * _normalise(tangent + rng.normal(0, 0.7, 3))
    radius = float(rng.uniform(0.13, 0.26) * a)
    return Tube(
        pose.to_probe(np.stack([start, elbow, hand])), radius, float(rng.uniform(0.2, 0.4)) * radius, Tissue.LIMB
    )


def _draw_cord(rng: np.random.Generator, head: Head, pose: HeadPose) -> Tube:
    start, tangent = _draw_place_beside_head(rng, head, gap=float(rng.uniform(0, 15)))
    nodes = [start]
    for _ in range(6):
        tangent = _normalise(tangent + rng.normal(0, 0.45, 3))
        nodes.append(nodes[-1] + 9 * tangent)
    return Tube(pose.to_probe(np.stack(nodes)), float(rng.uniform(3, 6.5)), 0.0, Tissue.CORD)


def _draw_place_beside_head(
    rng: np.random.Generator, head: Head, gap: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    direction = _normalise(rng.standard_normal(3))
    reach = np.linspace(0, 1.3 * head.reach, 60)
    ray = [np.asarray(reach * d, np.float32) for d in direction]
    inside = head.skin(head.unwarp(Points(*ray))) < 0
    edge = reach[np.flatnonzero(inside)[-1]] if inside.any() else head.reach
    tangent = _normalise(np.cross(direction, rng.standard_normal(3)))
    return direction * (edge + gap + 0.2 * head.radii[0]), tangent


def _normalise(v: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(v / np.linalg.norm(v))


def paint_surroundings(p: Points, depth: Field, angles: tuple[Field, Field], skin: Field, s: Surroundings) -> Labels:
    """Paint labels of everything but the head and the trunk.

    Args:
        p: sample points in the probe frame.
        depth: distance from the array in mm, broadcastable to the points.
        angles: theta and phi of the points in rad, broadcastable.
        skin: distance to the head's skin in mm (large where it was not computed), same shape as the points.
        s: the surroundings.
    """
    labels = np.full(p.x.shape, Tissue.FLUID, np.uint8)
    for wall in s.walls:
        _paint_wall(labels, p, skin, wall)
    for tube in s.tubes:
        _paint_tube(labels, p, tube)
    bottom = s.wall_depth * (
        1 + s.tilt[0] * 5 * angles[0] + s.tilt[1] * 5 * angles[1] + 0.06 * np.sin(14 * angles[0] + 3)
    )
    bottom = np.broadcast_to(bottom, labels.shape)
    layer = np.broadcast_to(depth, labels.shape)
    labels[layer < bottom + s.uterus] = Tissue.UTERUS
    labels[layer < bottom] = Tissue.MUSCLE
    labels[layer < bottom * s.fat_fraction] = Tissue.FAT
    return labels


def _paint_wall(labels: Labels, p: Points, skin: Field, wall: Wall) -> None:
    n = wall.normal.astype(np.float32)
    height, wave_number, phase = wall.wave
    across = p.x * n[1] + p.y * n[2] + p.z * n[0]
    beyond = p.x * n[0] + p.y * n[1] + p.z * n[2] - np.float32(wall.offset)
    beyond += np.float32(height) * (np.sin(np.float32(wave_number) * across + np.float32(phase)) + 1)
    if wall.hugs:
        beyond = np.where(
            beyond > -14, np.maximum(beyond, np.minimum(skin - np.float32(wall.gap), beyond + 14)), beyond
        )
    labels[beyond > 0] = wall.tissue
    labels[beyond > wall.thickness] = Tissue.MUSCLE
    if wall.normal[2] > 0.7:
        labels[beyond > wall.thickness + 18] = Tissue.MATERNAL_BONE


def _paint_tube(labels: Labels, p: Points, tube: Tube) -> None:
    low, high = tube.nodes.min(0) - tube.radius - 1, tube.nodes.max(0) + tube.radius + 1
    near = (p.x > low[0]) & (p.x < high[0]) & (p.y > low[1]) & (p.y < high[1]) & (p.z > low[2]) & (p.z < high[2])
    index = np.flatnonzero(near)
    if not index.size:
        return
    q = p.at(index)
    pairs = zip(tube.nodes[:-1], tube.nodes[1:], strict=True)
    distance = np.min([capsule(q, tuple(a), tuple(b), tube.radius) for a, b in pairs], axis=0)
    flat = labels.reshape(-1)
    flat[index[distance < 0]] = tube.tissue
    if tube.core:
        flat[index[distance < tube.core - tube.radius]] = Tissue.LIMB_BONE


def paint_trunk(labels: Labels, q: Points, head: Head, s: Surroundings) -> None:
    """Paint shoulders and chest below the neck, with ribs; points in the head frame, labels (n,)."""
    a, b, c = head.radii
    wide, deep, long = s.trunk
    angle = np.deg2rad(head.subject.neck_flexion_deg)
    length = long * c
    down = 1.62 * c + length
    centre = (0.0, -0.12 * b + (down - 0.7 * c) * (np.sin(angle) - 0.12), -down * np.cos(angle))
    chest = ellipsoid(q, centre, (wide * a, deep * a, length), 2.4)
    labels[chest < 0] = Tissue.TRUNK
    ribs = (chest < -2.5) & (chest > -4.5) & (np.mod(q.z, 0.16 * c) < 0.05 * c)
    spine = np.sqrt(q.x**2 + (q.y - centre[1] + 0.7 * deep * a) ** 2) < 0.13 * a
    labels[(ribs | (spine & (np.mod(q.z, 0.11 * c) < 0.07 * c))) & (chest < -1)] = Tissue.SPINE
