"""Many requests in a row to one service, with their duration and the service's memory."""

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
from benchmarks.comparison import NATIVE, make_bright_head
from benchmarks.paper import make_paper_model, publish
from benchmarks.service import PAUSE_S, Service, running

WARM_UP = 3
"""The number of requests before the growth of memory is measured."""


@dataclass(frozen=True)
class EndurancePlan:
    """A plan: the model ("published" or "paper"), the number of requests, and the shape of the volume."""

    model: str = "published"
    count: int = 200
    shape: Index3 = NATIVE


@dataclass(frozen=True)
class Request:
    """One answered request: seconds over HTTP, MB at its peak and in the pause after it, and the runtime."""

    number: int
    seconds: float
    peak_mb: float
    after_mb: float
    runtime: str
    precision: str


def endure(wanted: EndurancePlan) -> Iterator[Request]:
    """Send the same volume repeatedly, with a pause after each answer; yield each request when it is answered."""
    payload = encode_volume(make_bright_head(wanted.shape, 1.0))
    with _provide_store(wanted.model) as settings, running(settings) as service:
        for number in range(1, wanted.count + 1):
            yield _send(service, payload, number)


def make_record(wanted: EndurancePlan, requests: list[Request], kind: dict[str, Any]) -> dict[str, Any]:
    """Return the record of the median duration, with the peak and growth of memory and the whole series."""
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
def _provide_store(model: str) -> Iterator[dict[str, str]]:
    """Yield the settings of a service with this model."""
    if model == "published":
        yield {}
        return
    with tempfile.TemporaryDirectory() as store:
        publish(make_paper_model(), Path(store))
        yield {"MODEL_STORE": store}


def _send(service: Service, payload: bytes, number: int) -> Request:
    service.reset_peak()
    report, seconds = service.segment(payload)
    time.sleep(PAUSE_S)
    peak, after = (round(service.read_memory_mb(which), 1) for which in ("VmHWM", "VmRSS"))
    runtime = report["runtime"]
    return Request(number, round(seconds, 3), peak, after, runtime["provider"], runtime["precision"])
