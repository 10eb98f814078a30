"""The same scan in the forms that other programs and settings give it: how much its volume changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.contract.report import Report
from app.contract.upload import Upload, VolumeFields
from app.imaging.nifti.file import DecodeLimits, encode_volume
from app.imaging.volume import Volume
from app.inference.segmenter import HeadSegmenter
from app.measuring.measure import decode, finish
from benchmarks.measurement import BenchmarkValue
from training.phantom import simulate
from training.phantom.cohort import request_for

Greys = NDArray[np.uint8]
ALLOWED_CHANGE = 0.01


def disguise() -> dict[str, Callable[[Greys], NDArray[Any]]]:
    """Return every disguise by its name: a function of a scan (I, J, K) whose value outside the fan is 0."""
    fills = {f"fill {value}": _fill(value) for value in (-1024, -9999, 60, 255, 4095, 32767)}
    strays = {f"one voxel {value}": _put_stray(value) for value in (600, 32767, -20000)}
    darker = {f"{levels} levels darker": _darken(levels) for levels in (1, 3)}
    gammas = {f"gamma {gamma}": _apply_gamma(gamma) for gamma in (0.8, 1.25)}
    return {
        **fills,
        **strays,
        **darker,
        **gammas,
        "times 10 minus 500": lambda data: data.astype(np.float32) * 10 - 500,
        "doubles": lambda data: data.astype(np.float64),
    }


def measure_disguises(segmenter: HeadSegmenter, scans: int, spacing_mm: float) -> Iterator[BenchmarkValue]:
    """Measure validation patients plain and in each disguise.

    Yields, of each disguise, the largest change in percent and how many scans changed by more than 1 % without a doubt.
    """
    changes: dict[str, list[float]] = {name: [] for name in disguise()}
    unflagged = dict.fromkeys(changes, 0)
    for number in range(scans):
        plain = simulate(request_for("validation", number, spacing_mm)).volume
        before, volume_ml = _measure(segmenter, plain)
        for name, change in disguise().items():
            after, other_ml = _measure(segmenter, Volume(change(plain.data), plain.geometry))
            changes[name].append(abs(other_ml / volume_ml - 1) if volume_ml else 0.0)
            is_doubted = "review" in (after.verdict, before.verdict) or "reject" in (after.verdict, before.verdict)
            unflagged[name] += changes[name][-1] > ALLOWED_CHANGE and not is_doubted
    kind = (scans, plain.geometry.shape, segmenter.provider, segmenter.precision)
    for name, found in changes.items():
        yield BenchmarkValue(f"{name}: largest change", round(100 * max(found), 2), "%", *kind)
        yield BenchmarkValue(f"{name}: over 1 %, no doubt", unflagged[name], "scans", *kind)


def _measure(segmenter: HeadSegmenter, volume: Volume) -> tuple[Report, float]:
    decoded = decode(Upload(encode_volume(volume), VolumeFields()), DecodeLimits())
    segmentation = segmenter.segment(decoded.file.volume)
    return finish(decoded, segmenter, segmentation).report, segmentation.mask_volume_ml


def _fill(value: int) -> Callable[[Greys], NDArray[Any]]:
    return lambda data: np.where(data == 0, value, data.astype(np.int16)).astype(np.int16)


def _put_stray(value: int) -> Callable[[Greys], NDArray[Any]]:
    def put(data: Greys) -> NDArray[Any]:
        other = data.astype(np.int16)
        other[tuple(length // 2 for length in data.shape)] = value
        return other

    return put


def _darken(levels: int) -> Callable[[Greys], NDArray[Any]]:
    return lambda data: np.maximum(data.astype(np.int16) - levels, 0).astype(np.uint8)


def _apply_gamma(gamma: float) -> Callable[[Greys], NDArray[Any]]:
    return lambda data: np.rint((data / 255) ** gamma * 255).astype(np.uint8)
