"""The commands from a run to a model store: `export`, `quantize`, `focus`, `calibrate` and `publish`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from app.console import Commands, positive
from training.cli.shared import add_split, add_store, spacing_mm, tell, validation_phantoms
from training.progress import with_progress

if TYPE_CHECKING:
    from training.evaluation.calibration import Labelled


def add_export(commands: Commands) -> None:
    """Add these commands."""
    export = commands.add_parser("export", help="export a run as a candidate model, checked against torch")
    export.add_argument("run", type=Path)
    export.add_argument("--data", type=Path, help="phantoms for parity and test vector (default: RUN/phantoms)")
    export.add_argument("--store", type=Path, help="empty folder that becomes a store (default: RUN/store)")
    export.add_argument("--name", default="fetal_head", help="the model's name in the store")
    export.add_argument("--note", default="", help="text for the model card beside the recorded commands")
    export.set_defaults(command=_export)
    _add_faster_commands(commands)
    calibrate = commands.add_parser("calibrate", help="set a candidate's review limits on validation cases")
    calibrate.add_argument("candidate", type=Path, help="folder of the candidate, such as runs/cpu/store/fetal_head/1")
    calibrate.add_argument("--cases", type=positive, default=80)
    calibrate.add_argument("--spacing", type=spacing_mm, default=0.38, help="mm, as served")
    calibrate.add_argument("--phantoms", type=Path, help="keep the simulated scans in this folder")
    calibrate.add_argument("--data", type=Path, help="folder of your own volumes with labels, instead of phantoms")
    calibrate.add_argument("--part", choices=("validation", "train"), default="validation", help="of your own volumes")
    add_split(calibrate)
    calibrate.set_defaults(command=_calibrate)
    publish = commands.add_parser("publish", help="publish a candidate as the next version of a model store")
    publish.add_argument("candidate", type=Path, help="folder of the candidate, such as candidate/fetal_head/1")
    publish.add_argument("--evaluation", type=Path, help="its evaluation.json")
    publish.add_argument("--baseline", type=Path, help="evaluation.json of the newest version on the same cases")
    publish.add_argument("--force", action="store_true", help="publish even what is worse than the newest version")
    add_store(publish, "that gets it", written=True)
    publish.set_defaults(command=_publish)


def _add_faster_commands(commands: Commands) -> None:
    quantize = commands.add_parser("quantize", help="let a candidate be served in bf16 and fp16 where harmless")
    focus = commands.add_parser("focus", help="let a candidate look at the head's box alone where harmless")
    for command, cases, run in ((quantize, 40, _quantize), (focus, 20, _focus)):
        command.add_argument("candidate", type=Path, help="folder of the candidate; run this before calibrate")
        command.add_argument("--cases", type=positive, default=cases, help=f"phantoms of the gate (default: {cases})")
        command.add_argument("--spacing", type=spacing_mm, default=1.3, help="mm")
        command.add_argument("--phantoms", type=Path, help="keep the simulated scans in this folder")
        command.set_defaults(command=run)
    focus.add_argument("--margin", type=float, nargs="+", default=[10.0, 20.0, 30.0], help="mm, of later levels")


def _export(options: argparse.Namespace) -> None:
    from datetime import UTC, datetime

    from training.cases.sources import CaseSource, PhantomCache
    from training.evaluation.provenance import format_command
    from training.export.history import record
    from training.export.publish import export
    from training.fitting.run_folder import RunFolder
    from training.own_data.dataset import OwnData, is_own

    run = RunFolder(options.run)
    data, store = options.data or run.phantoms, options.store or run.store
    source: CaseSource = OwnData(data).open_source(run) if is_own(data) else PhantomCache(data)
    candidate = export(run, source, store, datetime.now(UTC), options.note, options.name)
    named = options.name if options.name != "fetal_head" else None
    asked = (("--data", options.data), ("--store", options.store), ("--name", named))
    record(candidate, format_command("export", asked, [run.path]))
    tell(options, candidate, candidate=candidate)


def _quantize(options: argparse.Namespace) -> None:
    from training.evaluation.provenance import format_command
    from training.export.faster import try_precisions
    from training.export.history import record

    phantoms = list(with_progress(validation_phantoms(options), options.cases, "made"))
    for outcome in try_precisions(options.candidate, phantoms):
        tell(options, outcome, **asdict(outcome))
    asked = (("--cases", options.cases), ("--spacing", options.spacing))
    record(options.candidate, format_command("quantize", asked, [options.candidate]))


def _focus(options: argparse.Namespace) -> None:
    from training.evaluation.provenance import format_command
    from training.export.faster import try_boxes
    from training.export.history import record

    phantoms = list(with_progress(validation_phantoms(options), options.cases, "made"))
    for outcome in try_boxes(options.candidate, phantoms, options.margin):
        tell(options, outcome, **asdict(outcome))
    asked = (("--cases", options.cases), ("--spacing", options.spacing), ("--margin", options.margin))
    record(options.candidate, format_command("focus", asked, [options.candidate]))


def _calibrate(options: argparse.Namespace) -> None:
    from app.inference.runtime.session import RuntimeSettings
    from app.inference.segmenter import HeadSegmenter
    from training.evaluation import calibration
    from training.evaluation.provenance import format_command
    from training.export.candidate import load_candidate
    from training.export.history import record
    from training.export.publish import recalibrate

    candidate: Path = options.candidate
    scans, number = _choose_labelled(options)

    def segmenter() -> HeadSegmenter:
        return HeadSegmenter(load_candidate(candidate), RuntimeSettings())

    threshold = calibration.find_unbiased_threshold(segmenter(), with_progress(scans(), number, "threshold"))
    recalibrate(candidate, {"threshold": threshold}, {})
    before = segmenter().manifest.quality
    cases = list(calibration.judge_cases(segmenter(), with_progress(scans(), number, "limits")))
    limits = calibration.find_review_limits(cases, before)
    recalibrate(candidate, {}, limits)
    simulated = (("--cases", options.cases), ("--spacing", options.spacing))
    own = (("--data", options.data), ("--part", options.part), ("--split", options.split))
    record(candidate, format_command("calibrate", simulated if options.data is None else own, [candidate]))
    after = segmenter().manifest.quality
    checks = {
        "before": calibration.check_calibration(cases, before),
        "after": calibration.check_calibration(cases, after),
    }
    text = f"threshold {threshold}\nbefore: {checks['before']}\nafter:  {checks['after']}"
    tell(options, text, threshold=threshold, **{when: found.model_dump() for when, found in checks.items()})


def _choose_labelled(options: argparse.Namespace) -> tuple[Callable[[], Iterable[Labelled]], int]:
    """Return a function that yields the cases of the calibration, own or simulated ones, and their number."""
    from training.evaluation.calibration import Labelled
    from training.own_data.dataset import OwnData

    if options.data is not None:
        own = OwnData(options.data, options.split)
        return own.open_labelled(options.part)
    return lambda: (Labelled(p.record.seed, p.volume, p.truth) for p in validation_phantoms(options)), options.cases


def _publish(options: argparse.Namespace) -> None:
    from training.evaluation.provenance import format_command
    from training.evaluation.report import Evaluation
    from training.export.card import explain_missing_interval
    from training.export.publish import publish

    def read(path: Path | None) -> Evaluation | None:
        return None if path is None else Evaluation.model_validate_json(path.read_text(encoding="utf-8"))

    evaluation, baseline = read(options.evaluation), read(options.baseline)
    asked = (("--evaluation", options.evaluation), ("--baseline", options.baseline), ("--force", options.force))
    command = format_command("publish", asked, [options.candidate])
    model = publish(options.candidate, options.store, evaluation, baseline, options.force, command)
    if (why := explain_missing_interval(evaluation)) is not None:
        print(f"no 95 % interval goes with its volumes: {why}", file=sys.stderr)
    tell(options, model, model=model, no_interval=why)
