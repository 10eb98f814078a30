"""Simulated patients made by a second process while training already runs on the first of them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from training.phantom.cohort import make_cohort, phantom_file
from training.phantom.scene import SimulationRequest

FIRST = 32
"""So many phantoms are there before the training starts."""


@contextmanager
def made_beside(directory: Path, requests: Sequence[SimulationRequest]) -> Iterator[None]:
    """Make what the folder lacks: the first 32 at once, the rest in a process of its own that ends with the block."""
    missing = [request for request in requests if not phantom_file(directory, request.seed).exists()]
    ready = len(requests) - len(missing)
    now = max(0, min(FIRST, len(requests)) - ready)
    _make(directory, missing[:now])
    worker = multiprocessing.get_context("spawn").Process(
        target=_make_quietly, args=(directory, missing[now:]), daemon=True
    )
    if missing[now:]:
        worker.start()
    try:
        yield
    finally:
        if worker.is_alive():
            worker.terminate()
        if missing[now:]:
            worker.join()


def _make_quietly(directory: Path, requests: Sequence[SimulationRequest]) -> None:
    os.nice(10)  # the training step comes first
    _make(directory, requests)


def _make(directory: Path, requests: Sequence[SimulationRequest]) -> None:
    for _ in make_cohort(directory, requests):
        pass
