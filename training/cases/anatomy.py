"""The anatomy that a level may learn beside the outline: kinds of tissue, and where each voxel lies in the head."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from app.imaging.arrays import Float64, UInt8
from app.imaging.pose import PLACE_CHANNELS, UNIT_MM
from training.phantom.tissues import MATERNAL, Tissue

CLASSES: tuple[tuple[Tissue, ...], ...] = (
    (),  # everything else: fluid, limbs, cord, outside of the fan
    (
        Tissue.CSF,
        Tissue.BRAIN,
        Tissue.VENTRICLE,
        Tissue.CHOROID_PLEXUS,
        Tissue.FALX,
        Tissue.CEREBELLUM,
        Tissue.THALAMUS,
        Tissue.SULCUS,
    ),
    (Tissue.SCALP, Tissue.SKULL, Tissue.SUTURE),
    (Tissue.ORBIT, Tissue.FACIAL_BONE, Tissue.FACE),
    (Tissue.NECK, Tissue.SPINE, Tissue.TRUNK),
    (*MATERNAL, Tissue.MATERNAL_BONE),
)
"""The tissues of each class: none of the following, cranial cavity, skull and scalp, face, neck and trunk, mother."""
ANATOMY_CHANNELS = len(CLASSES) + PLACE_CHANNELS
"""What a head for anatomy gives: a logit per class, and the place."""
_CLASS_OF = torch.tensor([next((n for n, kinds in enumerate(CLASSES) if tissue in kinds), 0) for tissue in Tissue])


@dataclass(frozen=True)
class Anatomy:
    """What a step is to learn at half the resolution of its sample, i = I/2 and so on.

    `classes` int64 (1, i, j, k) are indices of `CLASSES`. `place` float32 (1, 3, i, j, k) is where a voxel lies in the
    head, to the front and to the vertex of the cranium's centre, and its distance from the base plane, in units of
    `UNIT_MM` of the sample. Left and right are not learned: a head hardly shows them, and a sample may be mirrored.
    """

    classes: torch.Tensor
    place: torch.Tensor

    def to(self, device: torch.device) -> "Anatomy":
        """Return the same on a device."""
        return Anatomy(self.classes.to(device), self.place.to(device))


def sample_anatomy(to_place: Float64, tissues: UInt8, grid: torch.Tensor, matrix: Float64) -> Anatomy:
    """Return the anatomy at the points of a sampling grid (1, i, j, k, 3) whose pose has this matrix (3, 3)."""
    labels = torch.from_numpy(tissues.astype(np.float32))[None, None]
    seen = functional.grid_sample(labels, grid, mode="nearest", padding_mode="zeros", align_corners=False)[:, 0]
    index = ((grid.flip(-1) + 1) * torch.tensor(tissues.shape) - 1) / 2  # (1, i, j, k, 3)
    slopes = torch.from_numpy(to_place).float()
    place = index @ slopes[:, :3].T + slopes[:, 3]
    size = abs(float(np.linalg.det(matrix))) ** (-1 / 3)  # a head shown larger has more mm of the sample
    return Anatomy(_CLASS_OF[seen.long()], place.movedim(-1, 1) * (size / UNIT_MM))
