"""What the networks saw, kept beside the mask for whoever wants to look: small maps on the network's grid."""

from __future__ import annotations

import numpy as np

from app.imaging.nifti.file import encode_fractions
from app.imaging.volume import Volume
from app.inference.segmenter import Segmentation
from app.records.artifacts import DISAGREEMENT, PROBABILITY

LEVELS_TO_COMPARE = 2


def encode_layers(segmentation: Segmentation) -> dict[str, bytes]:
    """The probability and, where there are two context levels, how far they disagree; as .nii.gz by file name."""
    levels, geometry = segmentation.level_probabilities, segmentation.preprocessed.geometry
    layers = {PROBABILITY: encode_fractions(Volume(levels[-1], geometry))}
    if len(levels) >= LEVELS_TO_COMPARE:
        difference = np.abs(levels[-1] - levels[-2])
        layers[DISAGREEMENT] = encode_fractions(Volume(difference, geometry))
    return layers
