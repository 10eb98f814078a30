"""Simulation in a second process while training already runs on the first patients."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from training.phantom.cohort import make_cohort, phantom_file
from training.phantom.scene import SimulationRequest

FIRST = 32
"""The number of phantoms that are made before the training starts."""


@contextmanager
def make_in_background(directory: Path, requests: Sequence[SimulationRequest]) -> Iterator[None]:
    """Make the missing phantoms: the first 32 before the block, the rest in a process that ends with the block."""
    missing = [request for request in requests if not phantom_file(directory, request.seed).exists()]
    ready = len(requests) - len(missing)
    now = max(0, min(FIRST, len(requests)) - ready)
    _make(directory, missing[:now])
    if now == len(missing):
        yield
        return
    rest = (directory, missing[now:])
    worker = multiprocessing.get_context("spawn").Process(target=_make_quietly, args=rest, daemon=True)
    worker.start()
    try:
        yield
    finally:
        worker.terminate()
        worker.join()


def _make_quietly(directory: Path, requests: Sequence[SimulationRequest]) -> None:
    os.nice(10)  # the training step comes first
    _make(directory, requests)


def _make(directory: Path, requests: Sequence[SimulationRequest]) -> None:
    for _ in make_cohort(directory, requests):
        pass
