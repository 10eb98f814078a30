"""The head's frame in a stored scan: where each point lies in the head, and its base plane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.contract.value import Value
from app.imaging.volume import Float3
from training.phantom.head import Head
from training.phantom.probe import CartesianGrid
from training.phantom.surroundings import HeadPose


class HeadFrame(Value):
    """The head's axes (rows: to the left, to the front, to the vertex) and the cranium's centre, mm of the volume.

    `base` is the plane through menton and C2 in the head's frame: its unit normal, which points down, and the distance
    of the centre from it, negative above.
    """

    axes: tuple[Float3, Float3, Float3]
    centre_mm: Float3
    base: tuple[float, float, float, float]

    @property
    def to_head(self) -> NDArray[np.float64]:
        """The matrix (4, 4) from mm of the volume to mm of the head's frame."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.axes
        matrix[:3, 3] = -matrix[:3, :3] @ np.asarray(self.centre_mm)
        return matrix


def find_frame(head: Head, pose: HeadPose, box: CartesianGrid) -> HeadFrame:
    """Return the frame of a head in a volume whose first voxel lies at 0 mm."""
    x, y, z = (tuple(round(float(v), 6) for v in row) for row in pose.rotation)
    centre = tuple(round(float(c - first), 4) for c, first in zip(pose.centre, box.first, strict=True))
    return HeadFrame(axes=(x, y, z), centre_mm=centre, base=head.base_plane)
