"""Time the published model's stages, then the paper's network against the straight way and torch.

Run as ``python -m benchmarks``; prints tables and writes benchmarks/results/<date>-<machine>.json. The whole takes ten
minutes on two quiet cores, ``--quick`` a few minutes on small volumes, ``--stages-only`` seconds. ``requests`` sends
many volumes in a row and watches the service's memory, ``stops`` ends a level on its way, ``training`` measures
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
from benchmarks.machine import commit, machine, today
from benchmarks.measurement import Measurement, measure

SPACINGS_MM = (0.95, 0.6, 0.38)
RESULTS = Path(__file__).resolve().parent / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; 0 when they ran."""
    forbid_telemetry()
    options = _parser().parse_args(arguments)
    file = {"service": _service, "requests": _requests, "stops": _stops, "training": _training}[options.what](options)
    print(f"\n{file}")
    return 0


def _service(options: argparse.Namespace) -> Path:
    """The published model's stages, then the comparison."""
    settings = Settings()
    model = ModelStore(settings.model_store).resolve(settings.model_name, settings.model_version)
    segmenter = HeadSegmenter(model, runtime_settings(settings))
    version = f"{model.manifest.name} {model.manifest.version}"
    print(f"{version} on {segmenter.provider} {segmenter.precision}, {machine()}, median of {options.repeats}\n")
    measured: list[Measurement] = []
    for spacing_mm in options.spacing or SPACINGS_MM:
        measured += measure(segmenter, spacing_mm, options.repeats)
    print(_table(measured))
    del segmenter
    if not options.stages_only:
        threads = RuntimeSettings(threads=settings.threads).effective_threads
        measured += _compare(options, threads)
    return _write([m.record() for m in measured], options.output)


def _requests(options: argparse.Namespace) -> Path:
    """Many requests in a row."""
    from benchmarks.requests import Endurance, endure, record  # noqa: PLC0415 - torch is not needed for the stages

    wanted = Endurance(options.model, options.count, tuple(options.shape or Endurance.shape))
    requests = []
    for request in endure(wanted):
        print(
            f"{request.number:>5}{request.seconds:>9.2f} s{request.peak_mb:>9.0f} MB{request.after_mb:>9.0f} MB after"
        )
        sys.stdout.flush()
        requests.append(request)
    return _write([record(wanted, requests, {"name": "requests"})], options.output, f"-requests-{options.model}")


def _stops(options: argparse.Namespace) -> Path:
    """How soon a level ends that was asked to."""
    from benchmarks.stops import GRID, stop_times  # noqa: PLC0415 - torch is not needed for the stages

    found = []
    for measurement in stop_times(tuple(options.shape or GRID)):
        _tell(measurement)
        found.append(measurement.record())
    return _write(found, options.output, "-stops")


def _training(options: argparse.Namespace) -> Path:
    """How fast training is."""
    from benchmarks.training import TrainingPlan, training_speed  # noqa: PLC0415 - torch is not needed for the stages

    found = []
    for measurement in training_speed(TrainingPlan(preset=options.preset, threads=options.threads)):
        _tell(measurement)
        found.append(measurement.record() | {"preset": options.preset, "threads": options.threads})
    return _write(found, options.output, f"-training-{options.preset}")


def _compare(options: argparse.Namespace, threads: int) -> list[Measurement]:
    """The paper's network in every way; each number is printed as soon as it is there."""
    from benchmarks.comparison import QUICK, Plan, compare  # noqa: PLC0415 - torch is not needed for the stages

    print("\nthe paper's network, random weights, 0.95 mm, two levels\n")
    plan = replace(QUICK if options.quick else Plan(), threads=threads)
    if options.rounds:
        plan = replace(plan, rounds=tuple((size, int(times)) for size, times in options.rounds))
    if options.clients:
        plan = replace(plan, clients=tuple(options.clients))
    found = []
    for measurement in compare(plan):
        _tell(measurement)
        found.append(measurement)
    return found


def _table(measured: list[Measurement]) -> str:
    """One row per stage, one column per volume size, in seconds."""
    shapes = list(dict.fromkeys(m.shape for m in measured))
    values = {(m.name, m.shape): m.value for m in measured}
    rows = [["", *("x".join(map(str, shape)) for shape in shapes)]]
    for name in dict.fromkeys(m.name for m in measured):
        rows.append([name, *(f"{values[name, shape]:.3f} s" for shape in shapes)])
    return "\n".join(f"{row[0]:<28}" + "".join(f"{cell:>16}" for cell in row[1:]) for row in rows)


def _tell(measurement: Measurement) -> None:
    size = "x".join(map(str, measurement.shape))
    print(f"{measurement.name:<32}{measurement.value:>12.4g} {measurement.unit:<9}{size:>14} {measurement.precision}")
    sys.stdout.flush()


def _write(records: list[dict[str, Any]], folder: Path, ending: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{today()}-{machine()}{ending}.json"
    revision = commit()
    lines = [json.dumps(record | {"commit": revision}) for record in records]
    file.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    return file


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("service", "requests", "stops", "training"), default="service")
    parser.add_argument("--repeats", type=int, default=3, help="runs per size, the median counts (default: 3)")
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
    parser.add_argument("--clients", type=int, nargs="+", help="how many clients at once (default: 1 2 4)")
    parser.add_argument("--model", choices=("published", "paper"), default="published", help="of `requests`")
    parser.add_argument("--count", type=int, default=200, help="of `requests` (default: 200)")
    parser.add_argument("--shape", type=int, nargs=3, metavar="VOXELS", help="of `requests` and `stops`")
    parser.add_argument("--preset", default="release", help="of `training` (default: release)")
    parser.add_argument("--threads", type=int, default=1, help="of `training` (default: 1)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
