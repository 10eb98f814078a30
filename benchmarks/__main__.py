"""Time the segmenter in this process, print a table and write benchmarks/results/<date>-<machine>.json.

Run as ``python -m benchmarks``. What is timed is the code that serves: decode, the segmenter's stages, encode.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from app.inference.model_store import ModelStore
from app.inference.segmenter import HeadSegmenter
from app.inference.session import RuntimeSettings
from app.settings import Settings
from benchmarks.machine import commit, machine, today
from benchmarks.measurement import Measurement, measure

SPACINGS_MM = (0.95, 0.6, 0.38)
RESULTS = Path(__file__).resolve().parent / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; 0 when they ran."""
    options = _parser().parse_args(arguments)
    settings = Settings()
    model = ModelStore(settings.model_store).resolve(settings.model_name, settings.model_version)
    segmenter = HeadSegmenter(model, RuntimeSettings(settings.provider, settings.threads))
    version = f"{model.manifest.name} {model.manifest.version}"
    print(f"{version} on {segmenter.provider} {segmenter.precision}, {machine()}, median of {options.repeats}\n")
    measured: list[Measurement] = []
    for spacing_mm in options.spacing or SPACINGS_MM:
        measured += measure(segmenter, spacing_mm, options.repeats)
    print(_table(measured))
    print(f"\n{_write(measured, options.output)}")
    return 0


def _table(measured: list[Measurement]) -> str:
    """One row per stage, one column per volume size, in seconds."""
    shapes = list(dict.fromkeys(m.shape for m in measured))
    values = {(m.name, m.shape): m.value for m in measured}
    rows = [["", *("x".join(map(str, shape)) for shape in shapes)]]
    for name in dict.fromkeys(m.name for m in measured):
        rows.append([name, *(f"{values[name, shape]:.3f} s" for shape in shapes)])
    return "\n".join(f"{row[0]:<28}" + "".join(f"{cell:>16}" for cell in row[1:]) for row in rows)


def _write(measured: list[Measurement], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{today()}-{machine()}.json"
    revision = commit()
    records = [json.dumps(m.record() | {"commit": revision}) for m in measured]
    file.write_text("[\n" + ",\n".join(records) + "\n]\n", encoding="utf-8")
    return file


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="runs per size, the median counts (default: 3)")
    parser.add_argument("--spacing", type=float, action="append", help="voxel size, mm (repeatable)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
