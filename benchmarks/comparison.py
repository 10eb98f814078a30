"""Comparison of a straightforward baseline, torch and this service on the same volumes, in turn, in one run."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from app.imaging.arrays import Float32
from app.imaging.nifti.file import encode_volume
from app.imaging.preprocess import preprocess
from app.imaging.reliability import dsc
from app.imaging.volume import Index3, Volume, VolumeGeometry
from app.inference.runtime.session import OnnxSession, RuntimeSettings
from benchmarks.ceiling import count_column_bytes, count_network_gflop, measure_matmul
from benchmarks.machine import read_available_bytes
from benchmarks.measurement import BenchmarkValue
from benchmarks.paper import PaperModel, make_paper_model, publish
from benchmarks.service import PAUSE_S, Service, running
from benchmarks.straight import Levels, make_eager_levels, make_straight_levels, segment
from training.phantom import SimulationRequest, simulate

NATIVE: Index3 = (388, 258, 440)
NATIVE_MM = 0.38
SEED, WEEKS = 7, 26.0
MADE_AT_MM = 1.2
WARM_RUNS = 3
TAKEN = 0.65
"""The largest share of its unrolled input that the CPU provider takes, with a margin (native size: half, 10 GB).

Where less memory is free the baseline is left out, since the system would kill a process.
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
Numbers = dict[str, list[float]]


def compare(plan: Plan) -> Iterator[BenchmarkValue]:
    """Run the plan; yield the medians of each size when they are known."""
    model = make_paper_model(plan.preset, plan.spacing_mm)
    ways = {"straight": make_straight_levels(model, plan.threads), "eager": make_eager_levels(model, plan.threads)}
    ceilings = {precision: measure_matmul(precision, plan.threads) for precision in ("fp32", "bf16")}
    for precision, gflops in ceilings.items():
        yield BenchmarkValue("ceiling.matmul", round(gflops, 1), "GFLOP/s", 5, (2048, 2048, 1), "torch", precision)
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
    payload = encode_volume(volume)
    tensor = preprocess(volume, model.preprocessing).tensor
    grid = tensor.shape[2:]
    needed = TAKEN * count_column_bytes(model.trained[0], grid)
    yield BenchmarkValue(
        "straight.memory_needed", round(needed / 1e6), "MB", 1, volume.geometry.shape, "estimate", "fp32"
    )
    fits = {"straight": needed < read_available_bytes(), "eager": size <= plan.eager_up_to}
    taking_part = [name for name in ways if fits[name]]
    numbers: dict[str, Numbers] = defaultdict(lambda: defaultdict(list))
    masks = {}
    kinds = {"straight": ("CPUExecutionProvider", "fp32"), "eager": ("torch eager", "fp32")}
    kinds["service"] = service.read_runtime()
    for _ in range(rounds):
        for name in taking_part:
            masks[name], stages = segment(payload, ways[name], model.preprocessing.spacing_mm)
            _collect(numbers[name], stages)
        masks["service"], stages = _measure_service(service, payload)
        _collect(numbers["service"], stages)
    for name, found in numbers.items():
        for stage, values in found.items():
            unit = "MB" if "memory" in stage else "s"
            value = round(median(values), 4)
            yield BenchmarkValue(f"{name}.{stage}", value, unit, len(values), volume.geometry.shape, *kinds[name])
    for other in taking_part:
        agreement = round(float(dsc(masks["service"] > 0, masks[other] > 0)), 5)
        yield BenchmarkValue(f"dsc.service_and_{other}", agreement, "1", 1, volume.geometry.shape, *kinds["service"])
    kind = (volume.geometry.shape, *kinds["service"])
    yield _compute_rate(model, grid, numbers, kind)
    yield from _measure_network(model, tensor, plan.threads, kind)


def _measure_service(service: Service, payload: bytes) -> tuple[NDArray[np.uint8], dict[str, float]]:
    """Send one request; return its mask, seconds per stage, and MB at its peak and after it."""
    service.reset_peak()
    report, seconds = service.segment(payload)
    stages = {**report["timings_s"], "computed": report["timings_s"]["total"], "total": seconds}
    mask = service.read_mask(report)
    time.sleep(PAUSE_S)
    return mask, {
        **stages,
        "peak_memory": service.read_memory_mb("VmHWM"),
        "memory_after": service.read_memory_mb("VmRSS"),
    }


def _compute_rate(
    model: PaperModel, grid: tuple[int, ...], numbers: dict[str, Numbers], kind: tuple[Index3, str, str]
) -> BenchmarkValue:
    """Compute the operations per second of the first level in a request, with newly allocated memory."""
    gflop = count_network_gflop(model.served[0], grid)
    seconds = median(numbers["service"]["context_level_1"])
    return BenchmarkValue(
        "service.network", round(gflop / seconds, 1), "GFLOP/s", len(numbers["service"]["total"]), *kind
    )


def _measure_network(
    model: PaperModel, tensor: Float32, threads: int, kind: tuple[Index3, str, str]
) -> Iterator[BenchmarkValue]:
    """Measure level 1 on the volume (1, 1, I, J, K) with the memory of the run before: seconds and operation rate."""
    content, settings = model.served[0].SerializeToString(), RuntimeSettings(threads=threads, precision="bf16")
    session = OnnxSession(content, ("volume",), "probability", settings)
    inputs = {"volume": tensor}
    session.run(inputs)
    seconds = []
    for _ in range(WARM_RUNS):
        began = time.perf_counter()
        session.run(inputs)
        seconds.append(time.perf_counter() - began)
    gflop = count_network_gflop(model.served[0], tensor.shape[2:])
    yield BenchmarkValue("network.context_level_1", round(median(seconds), 4), "s", WARM_RUNS, *kind)
    yield BenchmarkValue("network.rate", round(gflop / median(seconds), 1), "GFLOP/s", WARM_RUNS, *kind)


def _measure_clients(plan: Plan, service: Service) -> Iterator[BenchmarkValue]:
    payload = encode_volume(make_bright_head(plan.shape, 1.0))
    for clients in plan.clients:
        seconds, wall = service.segment_at_once(payload, clients, 1)
        for name, value, unit in (("latency", median(seconds), "s"), ("rate", 60 * len(seconds) / wall, "1/min")):
            yield BenchmarkValue(f"clients_{clients}.{name}", round(value, 4), unit, clients, plan.shape, "service", "")


def make_bright_head(shape: Index3, size: float) -> Volume:
    """Make a simulated volume with `size` times the voxels of `shape`, 0.38 mm each, and a very bright head."""
    factor = size ** (1 / 3)
    i, j, k = (round(n * factor) for n in shape)
    phantom = simulate(SimulationRequest(seed=SEED, weeks=WEEKS, spacing=MADE_AT_MM))
    image = (phantom.volume.data // 4 + phantom.truth.data * np.uint8(150)).astype(np.uint8)
    picked = [np.linspace(0, n - 1, m).round().astype(int) for n, m in zip(image.shape, (i, j, k), strict=True)]
    data = np.asfortranarray(image[np.ix_(*picked)])
    return Volume(data, VolumeGeometry.from_spacing((i, j, k), (NATIVE_MM, NATIVE_MM, NATIVE_MM)))


def _collect(numbers: Numbers, stages: dict[str, float]) -> None:
    for stage, seconds in stages.items():
        numbers[stage].append(seconds)
