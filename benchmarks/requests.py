"""Many requests in a row to one service: how long each takes, and whether its memory stays where it is."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from app.imaging.nifti.file import encode_volume
from app.imaging.volume import Index3
from benchmarks.comparison import NATIVE, bright_head
from benchmarks.paper import paper_model, publish
from benchmarks.service import PAUSE_S, Service, running

WARM_UP = 3
"""Requests after which growth is counted."""


@dataclass(frozen=True)
class Endurance:
    """What to ask for: "published" or "paper", how often, on volumes of which shape."""

    model: str = "published"
    count: int = 200
    shape: Index3 = NATIVE


@dataclass(frozen=True)
class Request:
    """One answered request: seconds over HTTP, MB held at its peak and in the pause after it, and what computed it."""

    number: int
    seconds: float
    peak_mb: float
    after_mb: float
    runtime: str
    precision: str


def endure(wanted: Endurance) -> Iterator[Request]:
    """Send the same volume again and again, pausing after each answer; yields each request as it is answered."""
    payload = encode_volume(bright_head(wanted.shape, 1.0))
    with _store(wanted.model) as settings, running(settings) as service:
        for number in range(1, wanted.count + 1):
            yield _asked(service, payload, number)


def record(wanted: Endurance, requests: list[Request], kind: dict[str, Any]) -> dict[str, Any]:
    """The median duration as every measurement is stored, then what one wants to know of the memory, and the series."""
    settled = requests[WARM_UP:] or requests
    half = max(1, len(settled) // 2)
    first, last = (mean(request.after_mb for request in part) for part in (settled[:half], settled[-half:]))
    return {
        **kind,
        "value": round(median(request.seconds for request in requests), 3),
        "unit": "s",
        "median_of": len(requests),
        "shape": wanted.shape,
        "runtime": requests[-1].runtime,
        "precision": requests[-1].precision,
        "model": wanted.model,
        "peak_mb": max(request.peak_mb for request in requests),
        "after_mb": max(request.after_mb for request in settled),
        "growth_percent": round(100 * (last / first - 1), 2),
        "series": {
            name: [getattr(request, name) for request in requests] for name in ("seconds", "peak_mb", "after_mb")
        },
    }


@contextmanager
def _store(model: str) -> Iterator[dict[str, str]]:
    """The settings of a service with this model."""
    if model == "published":
        yield {}
        return
    with tempfile.TemporaryDirectory() as store:
        publish(paper_model(), Path(store))
        yield {"MODEL_STORE": store}


def _asked(service: Service, payload: bytes, number: int) -> Request:
    service.forget_peak()
    report, seconds = service.segment(payload)
    time.sleep(PAUSE_S)
    peak, after = (round(service.memory_mb(which), 1) for which in ("VmHWM", "VmRSS"))
    runtime = report["runtime"]
    return Request(number, round(seconds, 3), peak, after, runtime["provider"], runtime["precision"])
