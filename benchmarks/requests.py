"""Many requests in a row to one service, with their duration and the service's memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import mean, median

from app.imaging.nifti.file import encode_volume
from app.imaging.volume import Index3
from benchmarks.measurement import NATIVE, BenchmarkValue, make_bright_head
from benchmarks.paper import make_paper_model, publish
from benchmarks.service import running
from training.progress import with_progress

WARM_UP = 3
"""The number of requests before the growth of memory is measured."""


def measure_requests(model: str = "published", count: int = 200, shape: Index3 = NATIVE) -> Iterator[BenchmarkValue]:
    """Send one volume repeatedly to a service with the "published" or the "paper" model, pausing after each answer."""
    payload = encode_volume(make_bright_head(shape))
    with _provide_store(model) as settings, running(settings) as service:
        requests = [service.measure(payload) for _ in with_progress(range(count), count, "requests")]
        kind = (count, shape, *service.read_runtime())
    seconds = tuple(round(request.seconds, 3) for request in requests)
    peak, after = (tuple(round(getattr(r, name), 1) for r in requests) for name in ("peak_mb", "after_mb"))
    yield BenchmarkValue("requests.total", median(seconds), "s", *kind, seconds)
    yield BenchmarkValue("requests.peak_memory", max(peak), "MB", *kind, peak)
    yield BenchmarkValue("requests.memory_after", max(after[WARM_UP:] or after), "MB", *kind, after)
    yield BenchmarkValue("requests.memory_growth", compute_growth(after), "%", *kind)


def compute_growth(after_mb: Sequence[float]) -> float:
    """Return the growth of the mean memory from the first to the second half of the requests after the warm-up, %."""
    settled = after_mb[WARM_UP:] or after_mb
    half = max(1, len(settled) // 2)
    return round(100 * (mean(settled[-half:]) / mean(settled[:half]) - 1), 2)


@contextmanager
def _provide_store(model: str) -> Iterator[dict[str, str]]:
    """Yield the settings of a service with this model."""
    if model == "published":
        yield {}
        return
    with tempfile.TemporaryDirectory() as store:
        publish(make_paper_model(), Path(store))
        yield {"MODEL_STORE": store}
