"""Measuring files without a service: mask, report and preview of each in one folder."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.api.errors import problem_of
from app.api.measurement import Order, Outcome, decode, digests, finish
from app.api.serving import load_segmenter
from app.api.upload import Upload
from app.imaging.errors import ImagingError
from app.imaging.nifti import DecodeLimits
from app.inference.segmenter import HeadSegmenter
from app.settings import Settings

SUFFIXES = (".nii.gz", ".nii")


@dataclass(frozen=True)
class FileResult:
    """What became of one file: a line for people, its content for machines."""

    measured: bool
    line: str
    content: dict[str, Any]


def segment_files(
    inputs: Sequence[Path], output: Path, settings: Settings, weeks: float | None = None, force: bool = False
) -> Iterator[FileResult]:
    """Measures each file in turn; a file whose result is there already is not measured again, unless by `force`.

    Raises:
        InferenceError: no model can be run.
    """
    segmenter = load_segmenter(settings)
    output.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(inputs, start=1):
        _show_progress(f"[{number}/{len(inputs)}] {path.name}")
        result = _segment_file(path, output, settings, segmenter, Wishes(weeks, force))
        _show_progress("")
        yield result


@dataclass(frozen=True)
class Wishes:
    """What was asked for beside the files."""

    weeks: float | None
    force: bool


def _segment_file(path: Path, output: Path, settings: Settings, segmenter: HeadSegmenter, wishes: Wishes) -> FileResult:
    report_path = output / f"{_stem(path)}.json"
    try:
        upload = Upload(path.read_bytes(), wishes.weeks)
        sha256, _ = digests(upload)
        known = None if wishes.force else _earlier(report_path, sha256, segmenter, wishes.weeks)
        if known is not None:
            return _described(path, known)
        outcome = _measure(upload, sha256, settings, segmenter)
    except OSError as error:
        return _failed(path, {"code": "file_not_read", "detail": error.strerror or "the file cannot be read"})
    except ImagingError as error:
        return _failed(path, problem_of(error).body)
    return _described(path, _written(outcome, output, path, report_path))


def _measure(upload: Upload, sha256: str, settings: Settings, segmenter: HeadSegmenter) -> Outcome:
    limits = DecodeLimits(max_bytes=settings.max_unpacked_bytes, max_voxels=settings.max_voxels)
    file, decode_s = decode(upload, limits)
    order = Order(
        id=str(uuid.uuid4()),
        created_at=datetime.now(UTC),
        file=file,
        input_sha256=sha256,
        decode_s=decode_s,
        subject=None,
        gestational_age_weeks=upload.gestational_age_weeks,
    )
    segmentation = segmenter.segment(file.volume, upload.gestational_age_weeks)
    return finish(order, segmenter, segmentation)


def _written(outcome: Outcome, output: Path, path: Path, report_path: Path) -> dict[str, Any]:
    """The report, once the files are written; it comes last, so that a report stands for a whole result."""
    names = {name: f"{_stem(path)}_{name}" for name in outcome.measurement.files}
    for name, content in outcome.measurement.files.items():
        (output / names[name]).write_bytes(content)
    mask, preview = names.values()
    report = {**outcome.measurement.report, "mask": mask, "preview": preview}
    report_path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def _earlier(report_path: Path, sha256: str, segmenter: HeadSegmenter, weeks: float | None) -> dict[str, Any] | None:
    try:
        report: dict[str, Any] = json.loads(report_path.read_text(encoding="utf-8"))
        made_of = (report["input"]["sha256"], report["model"]["sha256"], report["gestational_age_weeks"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return report if made_of == (sha256, [level.sha256 for level in segmenter.manifest.levels], weeks) else None


def _described(path: Path, report: dict[str, Any]) -> FileResult:
    volume = report["head_volume_ml"]
    flags = ", ".join(flag["code"] for flag in report["flags"])
    measured = "no volume" if volume is None else f"{volume:.1f} mL"
    line = f"{path}  {measured}  {report['verdict']}{'  ' + flags if flags else ''}"
    return FileResult(True, line, {"file": str(path), **report})


def _failed(path: Path, problem: dict[str, Any]) -> FileResult:
    remedy = f" {problem['remedy']}" if "remedy" in problem else ""
    return FileResult(False, f"{path}  failed: {problem['detail']}{remedy}", {"file": str(path), **problem})


def _stem(path: Path) -> str:
    suffix = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), "")
    return path.name[: len(path.name) - len(suffix)]


def _show_progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
