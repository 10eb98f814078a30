"""Comparison of a straightforward baseline, torch and this service on the same volumes, in turn, in one run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import psutil
from numpy.typing import NDArray

from app.imaging.nifti.file import encode_volume
from app.imaging.preprocess import preprocess
from app.imaging.reliability import dsc
from app.imaging.volume import Index3, Volume
from app.inference.runtime.session import OnnxSession, RuntimeSettings
from benchmarks.ceiling import ROUNDS, SIZE, count_network_gflop, measure_matmul
from benchmarks.measurement import NATIVE, BenchmarkValue, make_bright_head, time_call
from benchmarks.paper import PaperModel, make_paper_model, publish
from benchmarks.service import Service, running
from benchmarks.straight import Levels, make_eager_levels, make_straight_levels, segment

WARM_RUNS = 3
STRAIGHT_BYTES = 340
"""The memory that the straight way takes for each voxel of 0.38 mm, with a margin: at native size 10 GB were measured.

Where less is free it is left out, since the system would kill a process.
"""


@dataclass(frozen=True)
class Plan:
    """A plan: preset (on another grid, mm), rounds for each size (1 is `shape`), and the largest size for torch."""

    preset: str = "paper"
    spacing_mm: float | None = None
    shape: Index3 = NATIVE
    rounds: tuple[tuple[float, int], ...] = ((0.25, 3), (0.5, 1), (1.0, 3), (2.0, 1))
    eager_up_to: float = 1.0
    clients: tuple[int, ...] = (1, 2, 4)
    threads: int = 2


QUICK = Plan(shape=(155, 103, 176), rounds=((1.0, 1),), clients=(1, 2))


def compare(plan: Plan) -> Iterator[BenchmarkValue]:
    """Run the plan; yield the medians of each size when they are known."""
    model = make_paper_model(plan.preset, plan.spacing_mm)
    ways = {"straight": make_straight_levels(model, plan.threads), "eager": make_eager_levels(model, plan.threads)}
    for precision in ("fp32", "bf16"):
        rate = round(measure_matmul(precision, plan.threads), 1)
        yield BenchmarkValue("ceiling.matmul", rate, "GFLOP/s", ROUNDS, (SIZE, SIZE, 1), "torch", precision)
    with tempfile.TemporaryDirectory() as store:
        publish(model, Path(store))
        with running({"MODEL_STORE": store, "THREADS": str(plan.threads)}) as service:
            for size, rounds in plan.rounds:
                yield from _compare_one_size(plan, model, ways, service, (size, rounds))
            yield from _measure_clients(plan, service)


def _compare_one_size(
    plan: Plan, model: PaperModel, ways: dict[str, Levels], service: Service, sized: tuple[float, int]
) -> Iterator[BenchmarkValue]:
    """Measure all ways in turn, round after round, on one volume."""
    size, rounds = sized
    volume = make_bright_head(plan.shape, size)
    shape, payload = volume.geometry.shape, encode_volume(volume)
    fits = {
        "straight": STRAIGHT_BYTES * volume.data.size < psutil.virtual_memory().available,
        "eager": size <= plan.eager_up_to,
    }
    turns = {
        name: partial(segment, payload, levels, model.preprocessing.spacing_mm)
        for name, levels in ways.items()
        if fits[name]
    }
    turns["service"] = partial(_measure_service, service, payload)
    found = [{name: measure() for name, measure in turns.items()} for _ in range(rounds)]
    served = service.read_runtime()
    kinds = {"straight": ("CPUExecutionProvider", "fp32"), "eager": ("torch eager", "fp32"), "service": served}
    for name in turns:
        stages = [one[name][1] for one in found]
        for stage in stages[0]:
            unit, value = "MB" if "memory" in stage else "s", median(seconds[stage] for seconds in stages)
            yield BenchmarkValue(f"{name}.{stage}", round(value, 4), unit, rounds, shape, *kinds[name])
    masks = {name: mask > 0 for name, (mask, _) in found[-1].items()}
    for other in list(turns)[:-1]:
        agreement = round(float(dsc(masks["service"], masks[other])), 5)
        yield BenchmarkValue(f"dsc.service_and_{other}", agreement, "1", 1, shape, *served)
    in_request_s = median(one["service"][1]["context_level_1"] for one in found)
    yield from _measure_network(plan, model, volume, in_request_s, (rounds, shape, *served))


def _measure_service(service: Service, payload: bytes) -> tuple[NDArray[np.uint8], dict[str, float]]:
    """Send one request; return its mask, seconds per stage, and MB at its peak and after it."""
    found = service.measure(payload)
    timings = found.report["timings_s"]
    stages = {**timings, "computed": timings["total"], "total": found.seconds}
    return service.read_mask(found.report), stages | {"peak_memory": found.peak_mb, "memory_after": found.after_mb}


def _measure_network(
    plan: Plan, model: PaperModel, volume: Volume, in_request_s: float, kind: tuple[int, Index3, str, str]
) -> Iterator[BenchmarkValue]:
    """Measure level 1 with the memory of the run before; compare its rate of operations with that in a request."""
    tensor = preprocess(volume, model.preprocessing).tensor
    gflop = count_network_gflop(model.served[0], tensor.shape[2:])
    content, settings = model.served[0].SerializeToString(), RuntimeSettings(threads=plan.threads, precision="bf16")
    session = OnnxSession(content, ("volume",), "probability", settings)
    _, *warm = [time_call(lambda: session.run({"volume": tensor}))[1] for _ in range(1 + WARM_RUNS)]
    yield BenchmarkValue("service.network", round(gflop / in_request_s, 1), "GFLOP/s", *kind)
    yield BenchmarkValue("network.context_level_1", round(median(warm), 4), "s", WARM_RUNS, *kind[1:])
    yield BenchmarkValue("network.rate", round(gflop / median(warm), 1), "GFLOP/s", WARM_RUNS, *kind[1:])


def _measure_clients(plan: Plan, service: Service) -> Iterator[BenchmarkValue]:
    payload = encode_volume(make_bright_head(plan.shape))
    for clients in plan.clients:
        seconds, wall = time_call(partial(service.segment_at_once, payload, clients))
        for name, value, unit in (("latency", median(seconds), "s"), ("rate", 60 * clients / wall, "1/min")):
            yield BenchmarkValue(f"clients_{clients}.{name}", round(value, 4), unit, clients, plan.shape, "service", "")
