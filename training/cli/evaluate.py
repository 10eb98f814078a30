"""The commands `evaluate`, `compare`, `reproducibility`, `orientation` and `surface`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.console import Commands, positive
from app.inference.model_store import ModelStore
from training.cli.shared import add_scans, add_spacing, add_split, add_store, tell, validation_phantoms
from training.config.training import ConfigError
from training.evaluation.provenance import format_command, record_command
from training.phantom import SimulationRequest
from training.phantom.cohort import request_for
from training.phantom.views import scan_directions
from training.progress import with_progress

if TYPE_CHECKING:
    from app.inference.segmenter import HeadSegmenter
    from training.evaluation.cases import CaseResult, Segment

REPEATED = "reproducibility"
"""The command and the section that it measures."""
PARTS = ("test", "validation", "train", "all")
PART_HELP = "of your own volumes; all: every case, for a model that was not trained on any of them (default: test)"
SECTIONS = ("test", "shifted", "validation", "held_out", "held_out_shifted", "typical")


def add_evaluate(commands: Commands) -> None:
    """Add these commands."""
    evaluate = commands.add_parser("evaluate", help="evaluate a model on simulated scans of native size; resumable")
    evaluate.add_argument("--cohort", choices=SECTIONS, default="test")
    evaluate.add_argument("--cases", type=positive, default=50)
    evaluate.add_argument("--data", type=Path, help="folder of your own volumes with labels, instead of a cohort")
    evaluate.add_argument("--part", choices=PARTS, default="test", help=PART_HELP)
    add_split(evaluate)
    _add_model_options(evaluate)
    evaluate.set_defaults(command=_evaluate)
    compare = commands.add_parser("compare", help="two models on the same cases: paired differences and intervals")
    compare.add_argument("first", type=Path, help="the folder that `evaluate --out` wrote for one model")
    compare.add_argument(
        "second", type=Path, help="the folder of the other; differences are this one's minus the first's"
    )
    compare.set_defaults(command=_compare)
    repeat = commands.add_parser("reproducibility", help="measure the same fetuses along three directions; resumable")
    repeat.add_argument("--groups", type=positive, default=52)
    repeat.add_argument("--data", type=Path, help="folder of your own volumes, several a patient; labels not needed")
    _add_model_options(repeat)
    repeat.set_defaults(command=_reproducibility)
    orientation = commands.add_parser(
        "orientation", help="orientation robustness: the same scans with axes permuted, mirrored, cropped to the head"
    )
    orientation.set_defaults(command=_measure_orientation)
    surface = commands.add_parser("surface", help="errors of the outline by tissue and by contrast in the image")
    surface.set_defaults(command=_measure_surface)
    for command in (orientation, surface):
        add_scans(command, 40, 1.3)
        _add_which_model(command)


def _add_model_options(evaluate: argparse.ArgumentParser) -> None:
    """Add the model, the scans and the folder of results."""
    _add_which_model(evaluate)
    evaluate.add_argument("--url", help="go through a running service instead")
    evaluate.add_argument("--api-key", help="key for the running service")
    add_spacing(evaluate, 0.38)
    evaluate.add_argument("--out", type=Path, required=True, help="folder for journals, figures, evaluation.json")


def _add_which_model(command: argparse.ArgumentParser) -> None:
    """Add the published model and the number of cores."""
    add_store(command, "of the model")
    command.add_argument("--name", default="fetal_head", help="the model's name in the store")
    command.add_argument("--version", type=int, help="model version, the newest by default")
    command.add_argument("--threads", type=int, default=0, help="0 takes every core the process may use")


def _evaluate(options: argparse.Namespace) -> None:
    from app.statistics.agreement import MIN_CASES

    if options.data is not None:
        from training.own_data.dataset import OwnData

        own = OwnData(options.data, options.split)
        own.evaluate(options.part, _choose_segmenter(options), options.out, with_progress)
        asked = (("--data", options.data), ("--part", options.part), ("--split", options.split))
        return _write_section(options, options.part, "evaluate", *asked)
    requests = [request_for(options.cohort, number, options.spacing) for number in range(options.cases)]
    measured = len(_measure_cases(options, requests, options.cohort))
    if measured < MIN_CASES:
        raise ConfigError(f"{options.out} holds {measured} case; an evaluation needs {MIN_CASES} or more: give --cases")
    asked = (("--cohort", options.cohort), ("--cases", measured), ("--spacing", options.spacing))
    return _write_section(options, options.cohort, "evaluate", *asked)


def _compare(options: argparse.Namespace) -> None:
    from training.evaluation import compare

    found = compare.compare_folders(options.first, options.second)
    tell(options, compare.format_table(found), comparison=[one.model_dump() for one in found])


def _reproducibility(options: argparse.Namespace) -> None:
    if options.data is not None:
        from training.own_data.dataset import OwnData

        OwnData(options.data).reproducibility(_choose_segmenter(options), options.out)
        return _write_section(options, REPEATED, REPEATED, ("--data", options.data))
    found = _measure_cases(options, list(scan_directions(options.groups, options.spacing)), REPEATED)
    asked = (("--groups", len({result.subject_seed for result in found})), ("--spacing", options.spacing))
    return _write_section(options, REPEATED, REPEATED, *asked)


def _measure_cases(options: argparse.Namespace, requests: Sequence[SimulationRequest], name: str) -> list[CaseResult]:
    """Measure the scans that the journal lacks, and return all of its results."""
    from training.evaluation import cases

    journal = options.out / f"{name}.jsonl"
    results = cases.evaluate_cases(requests, _choose_segmenter(options), journal, options.phantoms)
    for _ in with_progress(results, len(requests), name):
        pass
    return cases.read_journal(journal)


def _write_section(options: argparse.Namespace, section: str, command: str, *asked: tuple[str, object]) -> None:
    """Record the command that measured the section, write the report of all journals in the folder, and print it."""
    from training.evaluation.writing import FILE, write_folder

    record_command(options.out, section, _format_command(options, command, *asked))
    served = None if options.url else ModelStore(options.store).resolve(options.name, options.version)
    interval = None if served is None else served.manifest.volume_interval
    text = write_folder(options.out, "simulated" if options.data is None else "own", interval)
    content = json.loads((options.out / FILE).read_text(encoding="utf-8")) if options.json else {}
    tell(options, text, out=options.out, evaluation=content)


def _format_command(options: argparse.Namespace, command: str, *asked: tuple[str, object]) -> str:
    """Format the command for the record, with everything that determines the results and without a key."""
    version = options.version or max(ModelStore(options.store).versions(options.name), default=None)
    model = (("--store", options.store), ("--name", options.name), ("--version", version))
    where = (("--url", options.url),) if options.url else model
    return format_command(command, (*asked, *where, ("--out", options.out)))


def _choose_segmenter(options: argparse.Namespace) -> Segment:
    """Return a function that segments with a running service, or in this process."""
    from training.evaluation.cases import segment_in_process, segment_over_http

    if options.url:
        return segment_over_http(options.url, options.api_key)
    return segment_in_process(_load_segmenter(options))


def _measure_orientation(options: argparse.Namespace) -> None:
    from dataclasses import asdict

    from training.evaluation.probes import orientation

    measured = orientation.measure_orientations(_load_segmenter(options), validation_phantoms(options))
    found = list(with_progress(measured, options.cases, "orientation"))
    summary = {way: difference.model_dump() for way, difference in orientation.compare_with_served(found).items()}
    tell(options, orientation.format_table(found), cases=[asdict(one) for one in found], differences=summary)


def _measure_surface(options: argparse.Namespace) -> None:
    from training.evaluation.probes import surface_error

    errors = surface_error.measure_scans(_load_segmenter(options), validation_phantoms(options))
    found = surface_error.summarise(list(with_progress(errors, options.cases, "surface")))
    tell(options, surface_error.format_table(found), **found.model_dump())


def _load_segmenter(options: argparse.Namespace) -> HeadSegmenter:
    """Load the model in this process and run its self-test."""
    from app.inference.runtime.session import RuntimeSettings
    from app.inference.segmenter import HeadSegmenter

    stored = ModelStore(options.store).resolve(options.name, options.version)
    segmenter = HeadSegmenter(stored, RuntimeSettings(threads=options.threads))
    segmenter.selftest()
    return segmenter
