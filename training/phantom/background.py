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
    """Make the missing phantoms: those of the first 32 before the block, the rest in a process that ends with it."""
    _make(directory, _list_missing(directory, requests[:FIRST]))
    missing = _list_missing(directory, requests)
    if not missing:
        yield
        return
    rest = (directory, missing)
    worker = multiprocessing.get_context("spawn").Process(target=_make_quietly, args=rest, daemon=True)
    worker.start()
    try:
        yield
    finally:
        worker.terminate()
        worker.join()


def _list_missing(directory: Path, requests: Sequence[SimulationRequest]) -> list[SimulationRequest]:
    return [request for request in requests if not phantom_file(directory, request.seed).exists()]


def _make_quietly(directory: Path, requests: Sequence[SimulationRequest]) -> None:
    os.nice(10)  # the training step comes first
    _make(directory, requests)


def _make(directory: Path, requests: Sequence[SimulationRequest]) -> None:
    for _ in make_cohort(directory, requests):
        pass
