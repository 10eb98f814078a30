"""Measuring finished runs: every system on the same simulated scans, by serving's own steps; resumable."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch

from training.evaluation.cases import CaseResult, evaluate_cases
from training.evaluation.torch_segmenter import TorchSegmenter
from training.fitting.cascade import level_folder
from training.fitting.checkpoint import load_level
from training.paper.runs import Run
from training.paper.scales import PARTS, REPEATED, Scale
from training.paper.tables import Measured
from training.phantom import SimulationRequest

AUXILIARY = ("head_half", "head_quarter")
Progress = Callable[[Iterable[CaseResult], int, str], Iterable[CaseResult]]
"""(results, how many, title) -> the same results, shown as they come."""


def evaluate_run(run: Run, scale: Scale, cases: Path, progress: Progress, device: torch.device) -> None:
    """Measure what the run's journals lack; scans are kept in `cases` for the next system."""
    segment = TorchSegmenter.of_run(run.folder, device)
    for part in parts_of(run):
        requests = scale.evaluation(part)
        results = evaluate_cases(requests, segment, journal(run, part), cases)
        for _ in progress(results, len(requests), f"{run.label}: {part}"):
            pass


def parts_of(run: Run) -> tuple[str, ...]:
    """What a run is measured on: repeated scans for the paper's full system alone."""
    return (*PARTS, "reproducibility") if run.system.name == REPEATED else PARTS


def results_of(run: Run, requests: Sequence[SimulationRequest], part: str) -> tuple[CaseResult, ...]:
    """The results of these scans in their order; ValueError where one is not measured."""
    path = journal(run, part)
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found = {result.seed: result for result in map(CaseResult.model_validate_json, lines)}
    missing = [request.seed for request in requests if request.seed not in found]
    if missing:
        raise ValueError(f"{run.label}: {len(missing)} {part} cases are not measured, such as {missing[0]}")
    return tuple(found[request.seed] for request in requests)


def measured(runs: Sequence[Run], scale: Scale) -> Measured:
    """All seeds of one system together."""
    weights = [
        [load_level(level_folder(run.folder, n) / "weights.pt") for n in range(1, run.system.context_levels + 1)]
        for run in runs
    ]
    used = [
        value.numel()
        for level in weights[0]
        for name, value in level.state.items()
        if not any(part in name for part in AUXILIARY)
    ]
    return Measured(
        system=runs[0].system,
        seeds=tuple(run.seed for run in runs),
        test=tuple(results_of(run, scale.evaluation("test"), "test") for run in runs),
        shifted=tuple(results_of(run, scale.evaluation("shifted"), "shifted") for run in runs),
        parameters=sum(used),
        minutes=sum(level.spent_s for levels in weights for level in levels) / 60 / len(runs),
    )


def journal(run: Run, part: str) -> Path:
    """Where a run's results on a part are kept."""
    return run.folder / "evaluation" / f"{part}.jsonl"
