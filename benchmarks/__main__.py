"""Benchmarks of the published model's stages, and of the paper's network against a baseline and torch.

Run as ``python -m benchmarks``; prints tables and writes benchmarks/results/<date>-<machine>.json. All of it takes ten
minutes on two quiet cores, ``--quick`` a few minutes on small volumes, ``--stages-only`` seconds. ``requests`` sends
many volumes in a row and measures the service's memory, ``stops`` cancels a level while it runs, ``training`` measures
phantoms and training steps.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.inference.model_store import ModelStore
from app.inference.runtime.session import RuntimeSettings
from app.inference.runtime.telemetry import forbid_telemetry
from app.inference.segmenter import HeadSegmenter
from app.measuring.loading import runtime_settings
from app.settings import Settings
from benchmarks.machine import describe_machine, read_commit, today
from benchmarks.measurement import BenchmarkValue, measure

SPACINGS_MM = (0.95, 0.6, 0.38)
RESULTS = Path(__file__).resolve().parent / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks and return the exit code 0."""
    forbid_telemetry()
    options = _make_parser().parse_args(arguments)
    file = {
        "service": _measure_service,
        "requests": _measure_requests,
        "stops": _measure_stops,
        "training": _measure_training,
    }[options.what](options)
    print(f"\n{file}")
    return 0


def _measure_service(options: argparse.Namespace) -> Path:
    """Measure the published model's stages, then compare."""
    settings = Settings()
    model = ModelStore(settings.model_store).resolve(settings.model_name, settings.model_version)
    segmenter = HeadSegmenter(model, runtime_settings(settings))
    version = f"{model.manifest.name} {model.manifest.version}"
    print(
        f"{version} on {segmenter.provider} {segmenter.precision}, {describe_machine()}, median of {options.repeats}\n"
    )
    measured: list[BenchmarkValue] = []
    for spacing_mm in options.spacing or SPACINGS_MM:
        measured += measure(segmenter, spacing_mm, options.repeats)
    print(_format_table(measured))
    del segmenter
    if not options.stages_only:
        threads = RuntimeSettings(threads=settings.threads).effective_threads
        measured += _compare(options, threads)
    return _write([m.record() for m in measured], options.output)


def _measure_requests(options: argparse.Namespace) -> Path:
    """Measure many requests in a row."""
    from benchmarks.requests import EndurancePlan, endure, make_record  # noqa: PLC0415 - torch is not needed for the stages

    wanted = EndurancePlan(options.model, options.count, tuple(options.shape or EndurancePlan.shape))
    requests = []
    for request in endure(wanted):
        print(
            f"{request.number:>5}{request.seconds:>9.2f} s{request.peak_mb:>9.0f} MB{request.after_mb:>9.0f} MB after"
        )
        sys.stdout.flush()
        requests.append(request)
    return _write([make_record(wanted, requests, {"name": "requests"})], options.output, f"-requests-{options.model}")


def _measure_stops(options: argparse.Namespace) -> Path:
    """Measure how soon a level ends after it was cancelled."""
    from benchmarks.stops import GRID, measure_stops  # noqa: PLC0415 - torch is not needed for the stages

    found = []
    for measurement in measure_stops(tuple(options.shape or GRID)):
        _print(measurement)
        found.append(measurement.record())
    return _write(found, options.output, "-stops")


def _measure_training(options: argparse.Namespace) -> Path:
    """Measure the speed of training."""
    from benchmarks.training import TrainingPlan, measure_training  # noqa: PLC0415 - torch is not needed for the stages

    found = []
    for measurement in measure_training(TrainingPlan(preset=options.preset, threads=options.threads)):
        _print(measurement)
        found.append(measurement.record() | {"preset": options.preset, "threads": options.threads})
    return _write(found, options.output, f"-training-{options.preset}")


def _compare(options: argparse.Namespace, threads: int) -> list[BenchmarkValue]:
    """Measure the paper's network in every way; print each number when it is known."""
    from benchmarks.comparison import QUICK, Plan, compare  # noqa: PLC0415 - torch is not needed for the stages

    print("\nthe paper's network, random weights, 0.95 mm, two levels\n")
    plan = replace(QUICK if options.quick else Plan(), threads=threads)
    if options.rounds:
        plan = replace(plan, rounds=tuple((size, int(times)) for size, times in options.rounds))
    if options.clients:
        plan = replace(plan, clients=tuple(options.clients))
    found = []
    for measurement in compare(plan):
        _print(measurement)
        found.append(measurement)
    return found


def _format_table(measured: list[BenchmarkValue]) -> str:
    """Format a table with one row per stage and one column per volume size, in seconds."""
    shapes = list(dict.fromkeys(m.shape for m in measured))
    values = {(m.name, m.shape): m.value for m in measured}
    rows = [["", *("x".join(map(str, shape)) for shape in shapes)]]
    for name in dict.fromkeys(m.name for m in measured):
        rows.append([name, *(f"{values[name, shape]:.3f} s" for shape in shapes)])
    return "\n".join(f"{row[0]:<28}" + "".join(f"{cell:>16}" for cell in row[1:]) for row in rows)


def _print(measurement: BenchmarkValue) -> None:
    size = "x".join(map(str, measurement.shape))
    print(f"{measurement.name:<32}{measurement.value:>12.4g} {measurement.unit:<9}{size:>14} {measurement.precision}")
    sys.stdout.flush()


def _write(records: list[dict[str, Any]], folder: Path, ending: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{today()}-{describe_machine()}{ending}.json"
    revision = read_commit()
    lines = [json.dumps(record | {"commit": revision}) for record in records]
    file.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    return file


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("service", "requests", "stops", "training"), default="service")
    parser.add_argument("--repeats", type=int, default=3, help="runs per size, of which the median counts (default: 3)")
    parser.add_argument("--spacing", type=float, action="append", help="voxel size, mm (repeatable)")
    parser.add_argument("--stages-only", action="store_true", help="leave out the comparison with other ways")
    parser.add_argument("--quick", action="store_true", help="compare on one small volume, once")
    parser.add_argument(
        "--rounds",
        type=float,
        nargs=2,
        action="append",
        metavar=("SIZE", "TIMES"),
        help="sizes to compare; 1 is native",
    )
    parser.add_argument("--clients", type=int, nargs="+", help="numbers of clients at once (default: 1 2 4)")
    parser.add_argument("--model", choices=("published", "paper"), default="published", help="for `requests`")
    parser.add_argument("--count", type=int, default=200, help="number of `requests` (default: 200)")
    parser.add_argument("--shape", type=int, nargs=3, metavar="VOXELS", help="for `requests` and `stops`")
    parser.add_argument("--preset", default="release", help="for `training` (default: release)")
    parser.add_argument("--threads", type=int, default=1, help="for `training` (default: 1)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
