"""The whole fetal head as implicit shapes, in its own frame: x left to right, y to the front, z to the vertex, mm.

The origin is the centre of the cranium. The truth is what the paper delineates: everything inside the skin above the
plane through the menton and the second cervical vertebra.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.phantom import natural
from training.phantom.shapes import Field, Points, capsule, ellipsoid, gauge, rounded_box, smooth_union
from training.phantom.subject import Subject
from training.phantom.tissues import Tissue

_WARP_NODES = 24
_WARP_SPAN = 3.0
_NECK_RADIUS = 0.48
"""Of the thin neck that all families but `natural` have, in half widths of the skull."""


@dataclass(frozen=True)
class Head:
    """The shapes of one subject's head: methods take points in the head frame and return mm, negative inside."""

    subject: Subject

    @property
    def radii(self) -> tuple[float, float, float]:
        """Half width, half length and half height of the outer skull, mm."""
        return self.subject.half_width, self.subject.half_length, self.subject.half_height

    @property
    def is_natural(self) -> bool:
        """Whether the head has a floor of the mouth, ears and a neck as thick as an infant's."""
        return self.subject.family == "natural"

    @property
    def offsets_db(self) -> Mapping[Tissue, float]:
        """The backscatter that the head's tissues have more than usual, dB."""
        return natural.BACKSCATTER_DB if self.is_natural else {}

    @property
    def reach(self) -> float:
        """Radius in mm of a sphere around the origin that contains everything above the neck."""
        return 1.75 * self.subject.half_length + 6

    def surrounds(self, p: Points, margin: float) -> NDArray[np.bool_]:
        """Return which points may lie within `margin` mm of head or neck; cheap and generous."""
        a, b, c = self.radii
        radius = 1.27 * b + 3 + margin
        sphere = p.x**2 + (p.y - np.float32(0.15 * b)) ** 2 + (p.z + np.float32(0.3 * c)) ** 2 < np.float32(radius**2)
        more = margin if self.is_natural else 0.0
        neck = (
            (p.z < -c) & (p.z > -2.7 * c) & (np.abs(p.x) < 0.75 * a + more) & (np.abs(p.y + 0.2 * b) < 1.1 * a + more)
        )
        return np.asarray(sphere | neck, np.bool_)

    def unwarp(self, p: Points) -> Points:
        """Map points to the undeformed head (free-form deformation of the `freeform` family)."""
        if self.subject.warp is None:
            return p
        span = _WARP_SPAN * 2 * self.subject.half_width
        position = [(c / np.float32(span) + np.float32(0.5)) * (_WARP_NODES - 1) for c in (p.x, p.y, p.z)]
        dx, dy, dz = (ndimage.map_coordinates(part, position, order=1, mode="nearest") for part in self._fine_warp)
        return Points(p.x + dx, p.y + dy, p.z + dz)

    @cached_property
    def _fine_warp(self) -> NDArray[np.float32]:
        warp = self.subject.warp
        if warp is None:
            raise ValueError("this head is not deformed")
        factor = _WARP_NODES / warp.shape[1]
        return np.stack([ndimage.zoom(component, factor, order=3) for component in warp])

    def cranium(self, p: Points) -> Field:
        """Return the outer surface of the skull at unwarped points."""
        if self.subject.family == "lofted":
            return self._lofted_cranium(p)
        a, b, c = self.radii
        u, v, w = p.x / np.float32(a), p.y / np.float32(b), p.z / np.float32(c)
        scale = gauge(u, v, w, self.subject.roundness)
        radius = np.sqrt(p.x**2 + p.y**2 + p.z**2)
        bulge = 1 + _surface_modes(u, v, w, self.subject.modes)
        return np.asarray(radius * (1 - bulge / np.maximum(scale, 1e-3)), np.float32)

    def _lofted_cranium(self, p: Points) -> Field:
        """Return elliptical sections stacked along z; front and back halves have different lengths."""
        a, b, c = self.radii
        m = self.subject.modes
        w = np.clip(p.z / np.float32(c), -1.6, 1.6)
        front, back = b * (1 + 2.5 * m[0]), b * (1 - 2.5 * m[0])
        centre = b * (0.06 * w + 1.5 * m[1] * w * w)
        length = np.where(p.y > centre, front, back) * (1 + 1.5 * m[2] * w)
        width = a * (1 + 1.5 * m[3] * w + 0.05 * np.clip((p.y - centre) / b, -1, 1) * (-1))
        section = np.sqrt((p.x / width) ** 2 + ((p.y - centre) / length) ** 2)
        scale = (section**2.25 + np.abs(w) ** (2.25 + 4 * m[4])) ** np.float32(1 / 2.25)
        radius = np.sqrt(p.x**2 + p.y**2 + p.z**2)
        return np.asarray(radius * (1 - 1 / np.maximum(scale, 1e-3)), np.float32)

    def face(self, p: Points) -> Field:
        """Return the maxillofacial soft tissue with jaw and nose."""
        a, b, c = self.radii
        f = self.subject.face
        fillet = f.fillet * a
        if self.subject.family == "lofted":
            middle = rounded_box(
                p,
                (0, 0.45 * b, -0.62 * c),
                (0.60 * a * f.face_width, 0.38 * b * f.face_depth, 0.60 * c * f.face_height),
                0.26 * a,
            )
            jaw = rounded_box(
                p,
                (0, 0.50 * b, -1.15 * c),
                (0.40 * a * f.jaw_width, 0.33 * b * f.jaw_depth, 0.27 * c * f.chin),
                0.20 * a,
            )
        else:
            middle = ellipsoid(
                p,
                (0, 0.46 * b, -0.60 * c),
                (0.65 * a * f.face_width, 0.40 * b * f.face_depth, 0.75 * c * f.face_height),
            )
            jaw = ellipsoid(
                p, (0, 0.50 * b, -1.16 * c), (0.50 * a * f.jaw_width, 0.36 * b * f.jaw_depth, 0.30 * c * f.chin)
            )
        tip = (0.0, (0.88 + 0.06 * f.nose) * b, -0.66 * c)
        nose = capsule(p, (0.0, 0.80 * b, -0.42 * c), tip, 0.11 * a * f.nose)
        face = smooth_union(smooth_union(middle, jaw, 2 * fillet), nose, fillet)
        if not self.is_natural:
            return face
        return smooth_union(face, natural.throat(p, self.radii, f), 2 * fillet)

    def neck(self, p: Points) -> Field:
        """Return the neck, bent by the subject's flexion, which reaches well below the cut plane."""
        a, b, c = self.radii
        angle = np.deg2rad(self.subject.neck_flexion_deg)
        start = (0.0, -0.12 * b, -0.70 * c)
        along = 1.9 * c
        end = (0.0, start[1] + along * (np.sin(angle) - 0.12), start[2] - along * np.cos(angle))
        radius = natural.NECK_RADIUS if self.is_natural else _NECK_RADIUS
        return capsule(p, start, end, radius * a * self.subject.face.neck)

    def skin(self, p: Points) -> Field:
        """Return the skin of head and neck."""
        width = self.subject.face.fillet * self.subject.half_width
        scalp = self.cranium(p) - np.float32(self.subject.scalp)
        skin = smooth_union(smooth_union(scalp, self.face(p), width), self.neck(p), width)
        return (
            smooth_union(skin, natural.ears(p, self.radii), 0.06 * self.subject.half_width) if self.is_natural else skin
        )

    def below_plane(self, p: Points) -> Field:
        """Return the distance from the plane through menton and C2 that bounds the head from below; positive below."""
        (y, z), menton = self._find_base()
        return np.asarray(y * (p.y - menton[0]) + z * (p.z - menton[1]), np.float32)

    @property
    def base_plane(self) -> tuple[float, float, float, float]:
        """The same plane as its unit normal (x, y, z), which points down, and the distance of the origin from it."""
        (y, z), menton = self._find_base()
        return 0.0, float(y), float(z), float(-(y * menton[0] + z * menton[1]))

    def _find_base(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return normal and menton, both (y, z)."""
        _, b, c = self.radii
        chin = self.subject.face.chin
        menton = np.array([0.50 * b, -(1.16 + 0.30 * chin) * c])
        axis_body = np.array([-0.22 * b, -1.22 * c])
        along = menton - axis_body
        return np.array([along[1], -along[0]]) / np.linalg.norm(along), menton

    def truth(self, p: Points) -> Field:
        """Return the whole head, inside the skin and above the plane; points in the head frame, not yet unwarped."""
        q = self.unwarp(p)
        return np.maximum(self.skin(q), self.below_plane(q))


def _surface_modes(u: Field, v: Field, w: Field, modes: tuple[float, ...]) -> Field:
    """Return low-order modes as fractions of the radius: length, plagiocephaly, bossing, height, asymmetry."""
    norm = np.sqrt(u * u + v * v + w * w) + np.float32(1e-6)
    x, y, z = u / norm, v / norm, w / norm
    basis = (1.5 * z * z - 0.5, x * x - y * y, x * y, y * y * y, z * z * z, y * z, x * z, x * x * y)
    return np.asarray(sum(m * g for m, g in zip(modes, basis, strict=True)), np.float32)
