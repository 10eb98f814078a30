"""The commands from a run to a model store: `export`, `quantize`, `focus`, `calibrate` and `publish`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from app.console import Commands
from training.cli.shared import add_scans, add_split, add_store, tell, validation_phantoms
from training.evaluation.provenance import format_command
from training.export.candidate import load_candidate, record, update_manifest
from training.fitting.run_folder import RunFolder
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
    quantize = commands.add_parser("quantize", help="let a candidate be served in bf16 and fp16 where harmless")
    quantize.set_defaults(command=_try_faster, margin=None)
    focus = commands.add_parser("focus", help="let a candidate look at the head's box alone where harmless")
    focus.add_argument("--margin", type=float, nargs="+", default=[10.0, 20.0, 30.0], help="mm, of later levels")
    focus.set_defaults(command=_try_faster)
    for command, cases in ((quantize, 40), (focus, 20)):
        command.add_argument("candidate", type=Path, help="folder of the candidate; run this before calibrate")
        add_scans(command, cases, 1.3)
    calibrate = commands.add_parser("calibrate", help="set a candidate's review limits on validation cases")
    calibrate.add_argument("candidate", type=Path, help="folder of the candidate, such as runs/cpu/store/fetal_head/1")
    add_scans(calibrate, 80, 0.38)
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


def _export(options: argparse.Namespace) -> None:
    from datetime import UTC, datetime

    from training.cases.sources import CaseSource, PhantomCache
    from training.export.publish import export
    from training.own_data.dataset import is_own
    from training.own_data.runs import open_source

    run = RunFolder(options.run)
    data, store = options.data or run.phantoms, options.store or run.store
    source: CaseSource = open_source(data, run) if is_own(data) else PhantomCache(data)
    candidate = export(run, source, store, datetime.now(UTC), options.note, options.name)
    named = options.name if options.name != "fetal_head" else None
    asked = (("--data", options.data), ("--store", options.store), ("--name", named))
    record(candidate, format_command("export", asked, [run.path]))
    tell(options, candidate, candidate=candidate)


def _try_faster(options: argparse.Namespace) -> None:
    """Try lower precisions or, where margins are given, boxes around the head."""
    from training.export.faster import try_boxes, try_precisions

    phantoms = list(with_progress(validation_phantoms(options), options.cases, "made"))
    if options.margin is None:
        name, outcomes = "quantize", try_precisions(options.candidate, phantoms)
    else:
        name, outcomes = "focus", try_boxes(options.candidate, phantoms, options.margin)
    for outcome in outcomes:
        tell(options, outcome, **asdict(outcome))
    asked = (("--cases", options.cases), ("--spacing", options.spacing), ("--margin", options.margin))
    record(options.candidate, format_command(name, asked, [options.candidate]))


def _calibrate(options: argparse.Namespace) -> None:
    from app.inference.segmenter import HeadSegmenter
    from training.evaluation import calibration
    from training.evaluation.statistics.case_interval import explain_interval, find_width_limit, fit_case_interval

    candidate: Path = options.candidate
    scans, number = _choose_labelled(options)
    segmenter = HeadSegmenter(load_candidate(candidate))
    threshold = calibration.find_unbiased_threshold(segmenter, with_progress(scans(), number, "threshold"))
    rules, before = segmenter.manifest.postprocessing, segmenter.manifest.quality
    update_manifest(candidate, postprocessing=rules.model_copy(update={"threshold": threshold}))
    segmenter = HeadSegmenter(load_candidate(candidate))
    cases = list(calibration.judge_cases(segmenter, with_progress(scans(), number, "limits")))
    after = before.model_copy(update=calibration.find_review_limits(cases, before))
    measured = calibration.select_measured(cases, after)
    interval = fit_case_interval(measured, "simulated" if options.data is None else "own")
    after = after.model_copy(update={"half_width_percent": find_width_limit(measured, interval)})
    update_manifest(candidate, quality=after, volume_interval=interval)
    simulated = (("--cases", options.cases), ("--spacing", options.spacing))
    own = (("--data", options.data), ("--part", options.part), ("--split", options.split))
    record(candidate, format_command("calibrate", simulated if options.data is None else own, [candidate]))
    checks = {
        "before": calibration.check_calibration(cases, before),
        "after": calibration.check_calibration(cases, after, interval),
    }
    text = f"threshold {threshold}\nbefore: {checks['before']}\nafter:  {checks['after']}\n{explain_interval(interval)}"
    found = {when: check.model_dump() for when, check in checks.items()}
    tell(options, text, threshold=threshold, volume_interval=interval and interval.model_dump(), **found)


def _choose_labelled(options: argparse.Namespace) -> tuple[Callable[[], Iterable[Labelled]], int]:
    """Return a function that yields the cases of the calibration, own or simulated ones, and their number."""
    from training.evaluation.calibration import Labelled
    from training.own_data.dataset import OwnData

    if options.data is not None:
        return OwnData(options.data, options.split).open_labelled(options.part)
    return lambda: (Labelled(p.record.seed, p.volume, p.truth) for p in validation_phantoms(options)), options.cases


def _publish(options: argparse.Namespace) -> None:
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
