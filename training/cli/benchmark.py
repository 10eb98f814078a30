"""The command `benchmark`: the comparison of all systems of the paper's tables."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from app.console import Commands
from training.cli.shared import simulate_scans, tell
from training.progress import with_progress


def add_benchmark(commands: Commands) -> None:
    """Add `benchmark`."""
    bench = commands.add_parser("benchmark", help="train and compare all systems of the paper's tables; resumable")
    bench.add_argument("--scale", choices=("smoke", "cpu", "gpu"), default="smoke")
    bench.add_argument("--systems", help="names separated by commas (default: all)")
    bench.add_argument("--root", type=Path, help="folder for runs and scans (default: runs/benchmark/SCALE)")
    bench.add_argument("--phantoms", type=Path, help="folder of training scans (default: ROOT/phantoms)")
    bench.add_argument("--results", type=Path, help="folder to write (default: docs/results/DATE-SCALE)")
    bench.add_argument("--no-train", action="store_true", help="measure and report what is finished")
    bench.add_argument("--note", default="", help="text for the report")
    bench.set_defaults(command=_benchmark)


def _benchmark(options: argparse.Namespace) -> None:
    from datetime import UTC, datetime

    from training.paper.benchmark import Benchmark, select_systems
    from training.paper.scales import SCALES

    scale = SCALES[options.scale]
    root: Path = options.root or Path("runs/benchmark") / scale.name
    work = Benchmark(scale, root, options.phantoms or root / "phantoms", select_systems(options.systems))
    if not options.no_train:
        simulate_scans(work.phantoms, list(work.list_requests()))
        for run in work.train():
            print(f"{run.label}: trained", file=sys.stderr if options.json else sys.stdout)
    work.evaluate(with_progress)
    results = options.results or Path("docs/results") / f"{datetime.now(UTC):%Y-%m-%d}-{scale.name}"
    report = work.report(results, options.note)
    tell(options, report, report=report)
