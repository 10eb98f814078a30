"""A straightforward baseline that segments a volume with the usual libraries, and torch without a runtime."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnxruntime
import torch
from nibabel.nifti1 import Nifti1Image
from numpy.typing import NDArray
from scipy import ndimage

from app.imaging.arrays import Float32
from benchmarks.paper import PaperModel

Levels = Callable[[Float32], Float32]
"""A function from a normalised volume (1, 1, I, J, K) to the last level's probability."""
THRESHOLD = 0.5
Timed = tuple[NDArray[np.uint8], dict[str, float]]


def make_straight_levels(model: PaperModel, threads: int) -> Levels:
    """Return both levels as trained, on ONNX Runtime's CPU provider in single precision."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    sessions = [
        onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
        for graph in model.trained
    ]

    def run(volume: Float32) -> Float32:
        first = sessions[0].run(None, {"volume": volume})[0]
        result: Float32 = sessions[1].run(None, {"volume": volume, "context": first})[0]
        return result

    return run


def make_eager_levels(model: PaperModel, threads: int) -> Levels:
    """Return both levels as trained, in torch's eager mode in single precision."""

    def run(volume: Float32) -> Float32:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            tensor = torch.from_numpy(volume)
            first = torch.sigmoid(model.levels[0](tensor).main)
            result: Float32 = torch.sigmoid(model.levels[1](tensor, first).main).numpy()
        return result

    return run


def segment(payload: bytes, levels: Levels, spacing_mm: float) -> Timed:
    """Segment a .nii.gz; return its mask, and seconds per stage."""
    clock = [time.perf_counter()]
    names = ["decode", "preprocess", "network", "restore", "encode", "total"]
    image = Nifti1Image.from_bytes(gzip.decompress(payload))
    data = np.asarray(image.dataobj, dtype=np.float32)
    clock.append(time.perf_counter())
    volume, used = _prepare_input(data, image.header.get_zooms(), spacing_mm)
    clock.append(time.perf_counter())
    probability = levels(volume)
    clock.append(time.perf_counter())
    mask = _restore(probability[0, 0][tuple(slice(0, n) for n in used)], data.shape)
    clock.append(time.perf_counter())
    gzip.compress(Nifti1Image(mask, image.affine).to_bytes(), compresslevel=6)
    clock.append(time.perf_counter())
    seconds = [*np.diff(clock).tolist(), clock[-1] - clock[0]]
    return mask, dict(zip(names, seconds, strict=True))


def _prepare_input(data: Float32, zooms: Sequence[Any], spacing_mm: float) -> tuple[Float32, tuple[int, ...]]:
    """Zoom, z-score where something was recorded, pad to multiples of 8; return also the size before padding."""
    small = ndimage.zoom(data, [float(zoom) / spacing_mm for zoom in zooms[:3]], order=1)
    inside = small[small > small.min()]
    small = np.clip((small - inside.mean()) / inside.std(), -3, 6)
    padded = np.pad(small, [(0, -n % 8) for n in small.shape], constant_values=float(small.min()))
    return np.ascontiguousarray(padded, dtype=np.float32)[None, None], small.shape


def _restore(probability: Float32, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    large = ndimage.zoom(probability, [n / m for n, m in zip(shape, probability.shape, strict=True)], order=1)
    labels, count = ndimage.label(large >= THRESHOLD)
    if count == 0:
        return np.zeros(shape, np.uint8)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    filled: NDArray[np.uint8] = ndimage.binary_fill_holes(labels == sizes.argmax()).astype(np.uint8)
    return filled
