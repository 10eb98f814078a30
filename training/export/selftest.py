"""The stored test vector of a model: a small part of a phantom and the probability that serving must find for it."""

import io
import math
from collections.abc import Sequence

import numpy as np
import onnx
from scipy import ndimage

from app.imaging.arrays import Float32
from training.cases.sources import GridCase
from training.export.graph.parity import ServedCascade, run_graphs

STEPS = (3, 3, 2)
STEP_VOXELS = 16
"""The part's extents on the coarsest grid: so many steps of the network's divisor, of this size at least."""
TOLERANCE = 1e-2
"""Runtimes differ by rounding alone in single precision; lower precision shows as more."""


def make_test_vector(graphs: Sequence[onnx.ModelProto], volume: Float32, cascade: ServedCascade) -> bytes:
    """Return `selftest.npz`: a volume (1, 1, I, J, K), and what the last of the graphs that will be stored says of it.

    They are run on every voxel, as serving's self-test will.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, volume=volume, probability=run_graphs(graphs, volume, cascade.everywhere))
    return buffer.getvalue()


def crop_around_head(case: GridCase, divisor: int, cascade: ServedCascade) -> Float32:
    """Return the part of the case around the middle of its head, float32 (1, 1, I, J, K).

    At most 3 x 3 x 2 steps of the divisor, or of 16 voxels, on the coarsest grid; every extent is a multiple of the
    divisor.
    """
    coarsest = max(level.grid(cascade.served).spacing_mm for level in cascade.levels) / cascade.served.spacing_mm
    shape = case.image.shape
    centre = ndimage.center_of_mass(case.truth.astype(np.float64)) if case.truth.any() else [n / 2 for n in shape]
    part = []
    for n, middle, steps in zip(shape, centre, STEPS, strict=True):
        wanted = divisor * math.ceil(steps * max(STEP_VOXELS, divisor) * coarsest / divisor)
        length = min(wanted, n // divisor * divisor)
        start = min(max(0, round(middle - length / 2)), n - length)
        part.append(slice(start, start + length))
    return case.image[tuple(part)].astype(np.float32)[None, None]
