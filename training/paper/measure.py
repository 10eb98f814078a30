"""Measurement of finished runs: every system on the same simulated scans, with the service's steps; resumable."""

from collections.abc import Sequence
from pathlib import Path

import torch

from training.evaluation.cases import CaseResult, ShowProgress, evaluate_cases
from training.evaluation.torch_segmenter import TorchSegmenter
from training.fitting.checkpoint import load_level
from training.paper.runs import SystemRun
from training.paper.scales import PARTS, REPEATED, Scale
from training.paper.tables import SystemResults
from training.phantom import SimulationRequest

AUXILIARY = ("head_half", "head_quarter")


def evaluate_run(run: SystemRun, scale: Scale, cases: Path, progress: ShowProgress, device: torch.device) -> None:
    """Measure the scans that the run's journals lack; scans are kept in `cases` for the next system."""
    segment = TorchSegmenter.of_run(run.folder, device)
    for part in list_parts(run):
        requests = scale.list_scans(part)
        results = evaluate_cases(requests, segment, run.folder.journal(part), cases)
        for _ in progress(results, len(requests), f"{run.label}: {part}"):
            pass


def list_parts(run: SystemRun) -> tuple[str, ...]:
    """Return the parts that a run is measured on: repeated scans for the paper's full system alone."""
    return (*PARTS, "reproducibility") if run.system.name == REPEATED else PARTS


def read_results(run: SystemRun, requests: Sequence[SimulationRequest], part: str) -> tuple[CaseResult, ...]:
    """Read the results of these scans in their order.

    Raises:
        ValueError: a scan was not measured.
    """
    path = run.folder.journal(part)
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found = {result.seed: result for result in map(CaseResult.model_validate_json, lines)}
    missing = [request.seed for request in requests if request.seed not in found]
    if missing:
        raise ValueError(f"{run.label}: {len(missing)} {part} cases are not measured, such as {missing[0]}")
    return tuple(found[request.seed] for request in requests)


def collect_results(runs: Sequence[SystemRun], scale: Scale) -> SystemResults:
    """Collect the results of one system over all its seeds."""
    weights = [
        [load_level(run.folder.level(n).weights) for n in range(1, run.system.context_levels + 1)] for run in runs
    ]
    used = [
        value.numel()
        for level in weights[0]
        for name, value in level.state.items()
        if not any(part in name for part in AUXILIARY)
    ]
    return SystemResults(
        system=runs[0].system,
        seeds=tuple(run.seed for run in runs),
        test=tuple(read_results(run, scale.list_scans("test"), "test") for run in runs),
        shifted=tuple(read_results(run, scale.list_scans("shifted"), "shifted") for run in runs),
        parameters=sum(used),
        minutes=sum(level.spent_s for levels in weights for level in levels) / 60 / len(runs),
    )
