"""The same scan in the forms that other programs and settings give it: how much its volume changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from app.contract.report import Report
from app.contract.upload import DARK_ECHOES, Upload, VolumeFields
from app.imaging.formats.checks import DecodeLimits
from app.imaging.nifti.file import encode_volume
from app.imaging.volume import Volume
from app.inference.segmenter import HeadSegmenter
from app.measuring.measure import decode, finish
from benchmarks.measurement import BenchmarkValue
from training.phantom import simulate
from training.phantom.cohort import request_for

Greys = NDArray[np.uint8]
Disguise = Callable[[Greys], NDArray[Any]]
ALLOWED_CHANGE = 0.01


def disguise() -> dict[str, Disguise]:
    """Return every disguise by its name: a function of a scan (I, J, K) whose value outside the fan is 0."""
    fills = {f"fill {value}": _fill(value) for value in (-1024, -9999, 60, 255, 4095, 32767)}
    strays = {f"one voxel {value}": _put_stray(value) for value in (600, 32767, -20000)}
    darker = {f"{levels} levels darker": _darken(levels) for levels in (1, 3)}
    gammas = {f"gamma {gamma}": _apply_gamma(gamma) for gamma in (0.5, 0.8, 1.25, 2.0)}
    return {
        **fills,
        **strays,
        **darker,
        **gammas,
        **{f"thirds {values}": _fill_thirds(*values) for values in ((-1024, 4095, 0), (0, 0, -1024), (4095, 32767, 0))},
        **{f"strokes {value}": _put_strokes(value) for value in (255, 400, 600, 4095)},
        "times 10 minus 500": lambda data: data.astype(np.float32) * 10 - 500,
        "doubles": lambda data: data.astype(np.float64),
    }


def average() -> dict[str, Disguise]:
    """Return disguises that are averaged afterwards, to be compared with the plain scan averaged."""
    return {f"fill {value}, averaged": _average(_fill(value)) for value in (-1024, -3024, 4095, 32767)}


def measure_disguises(segmenter: HeadSegmenter, scans: int, spacing_mm: float) -> Iterator[BenchmarkValue]:
    """Measure validation patients plain and in each disguise.

    Yields, of each disguise, the largest change in percent and how many scans changed by more than 1 % without a doubt.
    """
    changes: dict[str, list[float]] = {name: [] for name in (*disguise(), *average())}
    unflagged = dict.fromkeys(changes, 0)
    for number in range(scans):
        plain = simulate(request_for("validation", number, spacing_mm)).volume
        for basis, disguises in ((_keep, disguise()), (_average(_keep), average())):
            before, volume_ml = _measure(segmenter, Volume(basis(plain.data), plain.geometry))
            for name, change in disguises.items():
                after, other_ml = _measure(segmenter, Volume(change(plain.data), plain.geometry))
                changes[name].append(abs(other_ml / volume_ml - 1) if volume_ml else 0.0)
                is_sure = not (_has_doubt(before) or _has_doubt(after))
                unflagged[name] += changes[name][-1] > ALLOWED_CHANGE and is_sure
    kind = (scans, plain.geometry.shape, segmenter.provider, segmenter.precision)
    for name, found in changes.items():
        yield BenchmarkValue(f"{name}: largest change", round(100 * max(found), 2), "%", *kind)
        yield BenchmarkValue(f"{name}: over 1 %, no doubt", unflagged[name], "scans", *kind)


def _has_doubt(report: Report) -> bool:
    """Return whether the report asks for a look, or notes that dark tissues cannot be told apart."""
    return report.verdict != "ok" or DARK_ECHOES in {flag.code for flag in report.flags}


def _measure(segmenter: HeadSegmenter, volume: Volume) -> tuple[Report, float]:
    decoded = decode(Upload(encode_volume(volume), VolumeFields()), DecodeLimits())
    segmentation = segmenter.segment(decoded.file.volume)
    return finish(decoded, segmenter, segmentation).report, segmentation.mask_volume_ml


def _fill(value: int) -> Disguise:
    return lambda data: np.where(data == 0, value, data.astype(np.int16)).astype(np.int16)


def _fill_thirds(*values: int) -> Disguise:
    def fill(data: Greys) -> NDArray[Any]:
        thirds = np.minimum(np.arange(data.shape[0]) * 3 // data.shape[0], 2)
        return np.where(data == 0, np.array(values)[thirds, None, None], data).astype(np.int16)

    return fill


def _put_strokes(value: int) -> Disguise:
    """Return a function that burns in text-like marks, inside and outside the fan."""

    def put(data: Greys) -> NDArray[Any]:
        other, rng = data.astype(np.int16), np.random.default_rng(value)
        for i, j, k in rng.integers(0, data.shape, (60, 3)):
            other[i : i + 2, j : j + 2, k : k + 12] = value
        return other

    return put


def _keep(data: Greys) -> NDArray[Any]:
    return data


def _average(change: Disguise) -> Disguise:
    return lambda data: uniform_filter(change(data).astype(np.float32), 3)


def _put_stray(value: int) -> Disguise:
    def put(data: Greys) -> NDArray[Any]:
        other = data.astype(np.int16)
        other[tuple(length // 2 for length in data.shape)] = value
        return other

    return put


def _darken(levels: int) -> Disguise:
    return lambda data: np.maximum(data.astype(np.int16) - levels, 0).astype(np.uint8)


def _apply_gamma(gamma: float) -> Disguise:
    return lambda data: np.rint((data / 255) ** gamma * 255).astype(np.uint8)
