"""Evaluation on simulated scans or on a folder of one's own, and reproducibility."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.console import Commands, positive
from training.cli.shared import (
    add_split,
    add_store,
    spacing_mm,
    tell,
    validation_phantoms,
    with_progress,
)

if TYPE_CHECKING:
    from app.inference.segmenter import HeadSegmenter
    from training.evaluation.cases import CaseResult, Segment
    from training.phantom import SimulationRequest

SECTIONS = ("test", "shifted", "validation", "held_out", "held_out_shifted")


def add_evaluate(commands: Commands) -> None:
    """Add `evaluate`, `compare`, `reproducibility`, `turned` and `surface`."""
    evaluate = commands.add_parser("evaluate", help="evaluate a model on simulated scans of native size; resumable")
    evaluate.add_argument("--cohort", choices=SECTIONS, default="test")
    evaluate.add_argument("--cases", type=positive, default=50)
    evaluate.add_argument("--data", type=Path, help="folder of your own volumes with labels, instead of a cohort")
    evaluate.add_argument("--part", choices=("test", "validation", "train"), default="test", help="of your own volumes")
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
    turned = commands.add_parser("turned", help="the same scans with axes permuted, mirrored, cut down to the head")
    _add_validation_scans(turned)
    turned.set_defaults(command=_turned)
    surface = commands.add_parser("surface", help="where the outline errs: by tissue, and by what the image shows")
    _add_validation_scans(surface)
    surface.set_defaults(command=_surface)


def _add_validation_scans(command: argparse.ArgumentParser) -> None:
    """How many simulated validation scans of which size, and which model measures them."""
    command.add_argument("--cases", type=positive, default=40)
    command.add_argument("--spacing", type=spacing_mm, default=1.3, help="mm")
    command.add_argument("--phantoms", type=Path, help="keep the simulated scans in this folder")
    _add_which_model(command)


def _add_model_options(evaluate: argparse.ArgumentParser) -> None:
    """Which model, which scans, where to."""
    _add_which_model(evaluate)
    evaluate.add_argument("--url", help="go through a running service instead")
    evaluate.add_argument("--api-key", help="key for the running service")
    evaluate.add_argument("--spacing", type=spacing_mm, default=0.38, help="mm")
    evaluate.add_argument("--phantoms", type=Path, help="keep the simulated scans in this folder")
    evaluate.add_argument("--out", type=Path, required=True, help="folder for journals, figures, evaluation.json")


def _add_which_model(command: argparse.ArgumentParser) -> None:
    """Which published model, and on how many cores."""
    add_store(command, "of the model")
    command.add_argument("--name", default="fetal_head", help="the model's name in the store")
    command.add_argument("--version", type=int, help="model version, the newest by default")
    command.add_argument("--threads", type=int, default=0, help="0 takes every core the process may use")


def _evaluate(options: argparse.Namespace) -> None:
    from training.phantom.cohort import request_for

    if options.data is not None:
        from training.own_data.dataset import OwnData

        own = OwnData(options.data, options.split)
        asked = (("--data", options.data), ("--part", options.part), ("--split", options.split))
        command = _typed(options, "evaluate", *asked)
        _told(options, own.evaluate(options.part, _segmenter(options), options.out, with_progress, command))
        return
    requests = [request_for(options.cohort, number, options.spacing) for number in range(options.cases)]
    measured = len(_measured(options, requests, options.cohort))
    asked = (("--cohort", options.cohort), ("--cases", measured), ("--spacing", options.spacing))
    _written(options, options.cohort, _typed(options, "evaluate", *asked))


def _compare(options: argparse.Namespace) -> None:
    from training.evaluation import compare as versus

    found = versus.versus(options.first, options.second)
    tell(options, versus.table(found), comparison=[one.model_dump() for one in found])


def _reproducibility(options: argparse.Namespace) -> None:
    from training.phantom.views import scan_directions

    if options.data is not None:
        from training.own_data.dataset import OwnData

        command = _typed(options, "reproducibility", ("--data", options.data))
        _told(options, OwnData(options.data).reproducibility(_segmenter(options), options.out, command))
        return
    found = _measured(options, list(scan_directions(options.groups, options.spacing)), "reproducibility")
    asked = (("--groups", len({result.subject_seed for result in found})), ("--spacing", options.spacing))
    _written(options, "reproducibility", _typed(options, "reproducibility", *asked))


def _measured(options: argparse.Namespace, requests: Sequence[SimulationRequest], name: str) -> list[CaseResult]:
    """Measure the scans that the journal lacks; returns all that it then holds."""
    from training.evaluation import cases

    journal = options.out / f"{name}.jsonl"
    results = cases.evaluate_cases(requests, _segmenter(options), journal, options.phantoms)
    for _ in with_progress(results, len(requests), name):
        pass
    return cases.read_journal(journal)


def _written(options: argparse.Namespace, section: str, command: str) -> None:
    """Note what measured the section, then write the report of all journals in the folder."""
    from training.evaluation.provenance import note
    from training.evaluation.writing import write_folder

    note(options.out, section, command)
    _told(options, write_folder(options.out))


def _typed(options: argparse.Namespace, command: str, *asked: tuple[str, object]) -> str:
    """The command as it is recorded: what decides the figures, and no key."""
    from app.inference.model_store import ModelStore
    from training.evaluation.provenance import as_typed

    version = options.version or max(ModelStore(options.store).versions(options.name), default=None)
    model = (("--store", options.store), ("--name", options.name), ("--version", version))
    where = (("--url", options.url),) if options.url else model
    return as_typed(command, (*asked, *where, ("--out", options.out)))


def _told(options: argparse.Namespace, text: str) -> None:
    """For people the report; for programs the evaluation that was written."""
    from training.evaluation.writing import FILE

    content = json.loads((options.out / FILE).read_text(encoding="utf-8")) if options.json else {}
    tell(options, text, out=options.out, evaluation=content)


def _segmenter(options: argparse.Namespace) -> Segment:
    """Through a running service, or in this process."""
    from training.evaluation.cases import over_http

    return over_http(options.url, options.api_key) if options.url else _local_segmenter(options)


def _local_segmenter(options: argparse.Namespace) -> Segment:
    from training.evaluation.cases import in_process

    return in_process(_loaded(options))


def _turned(options: argparse.Namespace) -> None:
    from dataclasses import asdict

    from training.evaluation.probes import orientation as turned

    measured = turned.turned_cases(_loaded(options), validation_phantoms(options))
    found = list(with_progress(measured, options.cases, "turned"))
    summary = {way: difference.model_dump() for way, difference in turned.differences(found).items()}
    tell(options, turned.table(found), cases=[asdict(one) for one in found], differences=summary)


def _surface(options: argparse.Namespace) -> None:
    from training.evaluation.probes import surface_error

    errors = surface_error.surface_errors(_loaded(options), validation_phantoms(options))
    found = surface_error.report(list(with_progress(errors, options.cases, "surface")))
    tell(options, surface_error.table(found), **found.model_dump())


def _loaded(options: argparse.Namespace) -> HeadSegmenter:
    """The model, loaded in this process, after its self-test."""
    from app.inference.model_store import ModelStore
    from app.inference.runtime.session import RuntimeSettings
    from app.inference.segmenter import HeadSegmenter

    stored = ModelStore(options.store).resolve(options.name, options.version)
    segmenter = HeadSegmenter(stored, RuntimeSettings(threads=options.threads))
    segmenter.selftest()
    return segmenter
