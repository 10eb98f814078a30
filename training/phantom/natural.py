"""What the family `natural` has more than the others: throat, ears, a thick neck, and structures that scans show.

The proportions are engineering priors, set so that the flat base has about a tenth of the head's surface, as in an
infant.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from training.phantom.shapes import Field, Points, capsule, ellipsoid
from training.phantom.tissues import Labels, Tissue

if TYPE_CHECKING:
    from training.phantom.head import Head
    from training.phantom.subject import Proportions

NECK_RADIUS = 0.67
"""In half widths of the skull."""
EYES = 0.84
"""How far the front of the orbits lies before the middle of the head, in half lengths of the skull."""
BACKSCATTER_DB: Mapping[Tissue, float] = MappingProxyType(
    {Tissue.SKULL: -6, Tissue.FACIAL_BONE: -4, Tissue.CHOROID_PLEXUS: 5, Tissue.FALX: 7, Tissue.SULCUS: 5,
     Tissue.THALAMUS: -6, Tissue.CEREBELLUM: 2, Tissue.ORBIT: -6}
)  # fmt: skip
"""Added to the usual backscatter: bone reflects like a mirror, and the brain's landmarks stand out."""
_LINING_MM = 0.5
Radii = tuple[float, float, float]


def throat(p: Points, radii: Radii, face: Proportions) -> Field:
    """Return the soft tissue between jaw and neck, from the floor of the mouth to below the cut plane."""
    a, b, c = radii
    size = (0.50 * a * face.jaw_width, 0.36 * b * face.jaw_depth, 0.36 * c)
    return ellipsoid(p, (0.0, 0.20 * b, -(1.06 + 0.26 * face.chin) * c), size, 2.4)


def ears(p: Points, radii: Radii) -> Field:
    """Return the two auricles, flat lobes behind the middle of the head."""
    a, b, c = radii
    side = Points(np.asarray(np.abs(p.x), np.float32), p.y, p.z)
    return ellipsoid(side, (0.96 * a, -0.10 * b, -0.44 * c), (0.10 * a, 0.15 * b, 0.26 * c))


def paint_landmarks(labels: Labels, q: Points, horn: Field, head: Head, midline: float) -> None:
    """Paint what a sonographer looks for: falx, lining of the ventricles, Sylvian fissures and clivus.

    Args:
        labels: labels of the brain's points (n,).
        q: these points, unwarped, in the head frame.
        horn: their distance from the lateral ventricles, mm.
        head: the head.
        midline: half the thickness of the falx, mm.
    """
    _, b, c = head.radii
    side = Points(np.asarray(np.abs(q.x), np.float32), q.y, q.z)
    labels[(np.abs(horn) < _LINING_MM) & (labels == Tissue.BRAIN)] = Tissue.SULCUS
    labels[(side.x < midline) & (q.z > 0.28 * c)] = Tissue.FALX
    cleft = _sylvian_fissure(side, head)
    labels[cleft < 2 * _LINING_MM] = Tissue.SULCUS
    labels[cleft < 0] = Tissue.CSF
    labels[capsule(q, (0.0, 0.10 * b, -0.48 * c), (0.0, -0.22 * b, -0.80 * c), 1.5) < 0] = Tissue.SKULL


def open_face(labels: Labels, q: Points, cranium: Field, head: Head) -> None:
    """Let the face take the place of skull and brain below the floor of the anterior fossa, a thin sheet of bone."""
    _, b, c = head.radii
    behind = np.clip(0.70 - q.y / np.float32(b), 0, None)
    above = q.z / np.float32(c) + 0.14 + 0.58 * behind
    front = (q.y > 0.12 * b) & (above < 0)
    labels[front & (cranium < head.subject.scalp + 1)] = Tissue.FACE
    labels[front & (above * c > -2 * head.subject.skull) & (cranium < 0)] = Tissue.SKULL


def _sylvian_fissure(side: Points, head: Head) -> Field:
    """Return the cleft between temporal and frontal lobe, from the insula outwards; it closes as the brain grows."""
    a, b, c = head.radii
    older = np.clip((head.subject.gestational_age_weeks - 20) / 11, 0, 1)
    return ellipsoid(
        side, (0.84 * a, 0.08 * b, -0.06 * c), (0.24 * a, (0.26 - 0.06 * older) * b, (0.15 - 0.08 * older) * c)
    )
