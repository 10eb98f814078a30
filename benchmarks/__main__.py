"""Benchmarks of the published model's stages, and of the paper's network against a baseline and torch.

Run as ``python -m benchmarks``; prints each value and writes benchmarks/results/<date>-<machine>.json. All of it takes
ten minutes on two quiet cores, ``--quick`` a few minutes on small volumes, ``--stages-only`` seconds. ``requests``
sends many volumes in a row and measures the service's memory, ``stops`` cancels a level while it runs, ``training``
measures phantoms and training steps, ``disguises`` how much other number types, fill values and stray voxels change.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from app.inference.model_store import ModelStore
from app.inference.runtime.session import RuntimeSettings
from app.inference.runtime.telemetry import forbid_telemetry
from app.inference.segmenter import HeadSegmenter
from app.measuring.loading import runtime_settings
from app.settings import Settings
from benchmarks.machine import describe_machine, read_commit
from benchmarks.measurement import NATIVE, BenchmarkValue, measure_stages

SPACINGS_MM = (0.95, 0.6, 0.38)
RESULTS = Path(__file__).resolve().parent / "results"
ENDINGS = {
    "service": "",
    "requests": "-requests-{model}",
    "stops": "-stops",
    "training": "-training-{preset}",
    "disguises": "-disguises",
}
"""What each benchmark adds to the name of its file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks and return the exit code 0."""
    forbid_telemetry()
    options = _make_parser().parse_args(arguments)
    values = []
    for value in _measure(options):
        print(value, flush=True)
        values.append(value)
    file = _write(values, options.output, ENDINGS[options.what].format(**vars(options)))
    print(f"\n{file}")
    return 0


def _measure(options: argparse.Namespace) -> Iterator[BenchmarkValue]:
    """Measure what was asked for; torch and the rest are only imported where they are needed."""
    if options.what == "requests":
        from benchmarks.requests import measure_requests  # noqa: PLC0415

        return measure_requests(options.model, options.count, tuple(options.shape or NATIVE))
    if options.what == "stops":
        from benchmarks.stops import GRID, measure_stops  # noqa: PLC0415

        return measure_stops(tuple(options.shape or GRID))
    if options.what == "training":
        from benchmarks.training import measure_training  # noqa: PLC0415

        return measure_training(options.preset, options.threads)
    if options.what == "disguises":
        from benchmarks.disguises import measure_disguises  # noqa: PLC0415

        return measure_disguises(_load_segmenter(Settings()), options.count, (options.spacing or [1.6])[0])
    return _measure_service(options)


def _measure_service(options: argparse.Namespace) -> Iterator[BenchmarkValue]:
    """Measure the published model's stages, then the paper's network in every way."""
    settings = Settings()
    segmenter = _load_segmenter(settings)
    model = segmenter.model
    print(f"{model.manifest.name} {model.manifest.version}, {describe_machine()}, median of {options.repeats}\n")
    for spacing_mm in options.spacing or SPACINGS_MM:
        yield from measure_stages(segmenter, spacing_mm, options.repeats)
    del segmenter
    if not options.stages_only:
        from benchmarks.comparison import QUICK, Plan, compare  # noqa: PLC0415

        print("\nthe paper's network, random weights, 0.95 mm, two levels\n")
        threads = RuntimeSettings(threads=settings.threads).effective_threads
        yield from compare(replace(QUICK if options.quick else Plan(), threads=threads))


def _load_segmenter(settings: Settings) -> HeadSegmenter:
    model = ModelStore(settings.model_store).resolve(settings.model_name, settings.model_version)
    return HeadSegmenter(model, runtime_settings(settings))


def _write(values: Sequence[BenchmarkValue], folder: Path, ending: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{datetime.now(UTC):%Y-%m-%d}-{describe_machine()}{ending}.json"
    commit = read_commit()
    records = [{name: part for name, part in asdict(value).items() if part != ()} for value in values]
    lines = [json.dumps(record | {"commit": commit}) for record in records]
    file.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    return file


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=tuple(ENDINGS), default="service")
    parser.add_argument("--repeats", type=int, default=3, help="runs per size, of which the median counts (default: 3)")
    parser.add_argument("--spacing", type=float, action="append", help="voxel size, mm (repeatable)")
    parser.add_argument("--stages-only", action="store_true", help="leave out the comparison with other ways")
    parser.add_argument("--quick", action="store_true", help="compare on one small volume, once")
    parser.add_argument("--model", choices=("published", "paper"), default="published", help="for `requests`")
    parser.add_argument("--count", type=int, default=200, help="number of `requests` or of scans (default: 200)")
    parser.add_argument("--shape", type=int, nargs=3, metavar="VOXELS", help="for `requests` and `stops`")
    parser.add_argument("--preset", default="release", help="for `training` (default: release)")
    parser.add_argument("--threads", type=int, default=1, help="for `training` (default: 1)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
