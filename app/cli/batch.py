"""Running `fetalhead segment`: files and folders in; masks, reports, previews and tables out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.progress import MofNCompleteColumn

from app.batch.case_list import describe_cases
from app.batch.cases import BatchError, Case, find_cases
from app.batch.engines import BatchEngine, EngineError
from app.batch.results import BatchResult
from app.batch.run import BatchOptions, measure_one, run_batch
from app.batch.tables import open_tables
from app.cli.progress import count_case, line, print_summary
from app.cli.stopping import InOrder
from app.console import FAILED, FINE, INTERRUPTED, NO_MODEL, NO_RUNTIME, USAGE, complain
from app.contract.report import MASK
from app.contract.upload import VolumeFields
from app.inference.runtime.session import is_runtime_installed
from app.pictures import is_installed
from app.progress import progress_bar
from app.settings import Settings

STANDARD_OUTPUT: Final = "-"
NO_REPORT: Final = "Pages are not installed. Install them: pip install 'fetalhead[report]'."


def run_segment(options: argparse.Namespace, settings: Settings) -> int:
    """Measure the cases and return the exit code."""
    if options.url is None and not is_runtime_installed():
        return complain(NO_RUNTIME, NO_MODEL, options.json)
    if options.pdf and not is_installed():
        return complain(NO_REPORT, USAGE, options.json)
    to_stdout = str(options.output) == STANDARD_OUTPUT
    try:
        cases = find_cases(options.inputs, None if to_stdout else options.output)
        if options.cases is not None:
            cases = describe_cases(cases, options.cases, options.inputs, _batch_options(options).fields)
        with _engine(options, settings) as engine:
            return _run_one(cases, options, engine) if to_stdout else _run_all(cases, options, engine)
    except BatchError as error:
        return complain(str(error), USAGE, options.json)
    except EngineError as error:
        return complain(str(error), NO_MODEL, options.json)


@contextmanager
def _engine(options: argparse.Namespace, settings: Settings) -> Iterator[BatchEngine]:
    if options.url is None:
        from app.batch.local import LocalEngine

        yield LocalEngine(settings)
        return
    from app.batch.remote import RemoteEngine
    from app.client import FetalHead, FetalHeadError

    try:
        service = FetalHead(options.url, api_key=options.api_key)
    except FetalHeadError as error:
        raise EngineError(str(error)) from error
    with service:
        yield RemoteEngine(service)


def _batch_options(options: argparse.Namespace) -> BatchOptions:
    return BatchOptions(
        fields=VolumeFields(**{name: getattr(options, name) for name in VolumeFields.model_fields}),
        resume=not options.force,
        jobs=options.jobs,
        pdf=options.pdf,
    )


def _run_all(cases: Sequence[Case], options: argparse.Namespace, engine: BatchEngine) -> int:
    results: list[BatchResult] = []
    try:
        with InOrder() as stop, open_tables(options.output) as written, progress_bar(MofNCompleteColumn()) as bar:
            bar.add_task("measuring", total=len(cases))
            for result in run_batch(cases, options.output, engine, _batch_options(options)):
                written.add(result)
                results.append(result)
                print(json.dumps(result.document()) if options.json else line(result), flush=True)
                count_case(bar, result)
                stop.check()
    except KeyboardInterrupt:
        done = f"Stopped after {len(results)} of {len(cases)} cases; the same command continues."
        return complain(done, INTERRUPTED, options.json)
    if len(cases) > 1 and not options.json:
        print_summary(results, options.output)
    return FAILED if any(result.state == "failed" for result in results) else FINE


def _run_one(cases: Sequence[Case], options: argparse.Namespace, engine: BatchEngine) -> int:
    """Measure a single case and write its mask to standard output."""
    if len(cases) != 1:
        raise BatchError(f"-o - takes a single file; {len(cases)} were named. Name a folder with -o.")
    outcome = measure_one(cases[0], engine, _batch_options(options))
    print(json.dumps(outcome.document()) if options.json else line(outcome), file=sys.stderr)
    if outcome.files is None:
        return FAILED
    sys.stdout.buffer.write(outcome.files[MASK])
    sys.stdout.buffer.flush()
    return FINE
