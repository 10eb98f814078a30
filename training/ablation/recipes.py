"""Training and measurement of one recipe among several that are compared, both resumable."""

from collections.abc import Sequence
from pathlib import Path

from training.cases.sources import CaseSource
from training.config.training import TrainingConfig
from training.evaluation.cases import CaseResult, Segment, evaluate_cases
from training.evaluation.statistics.paired import PairedDifference, SeededDifference
from training.fitting import cascade as auto_context
from training.fitting.run_folder import RunFolder
from training.paper.measure import ShowProgress
from training.phantom import SimulationRequest

FULL = "full"
"""The folder of the full recipe."""


def fit_recipe(config: TrainingConfig, source: CaseSource, folder: RunFolder) -> None:
    """Train the levels that are not finished, continuing from their checkpoints."""
    for level in range(1, config.context_levels + 1):
        finished = folder.level(level).finished
        if not finished.is_file():
            auto_context.fit(config, source, folder, (level,), resume=True)
            finished.touch()


def format_difference(difference: PairedDifference | SeededDifference, factor: int = 100) -> str:
    """Format a difference with its 95 % interval for a table; by default fractions in per cent."""
    mean, low, high = (factor * value for value in (difference.mean, *difference.ci95))
    return f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"


def measure_cases(
    segment: Segment, scans: Sequence[SimulationRequest], journal: Path, cases: Path, progress: ShowProgress
) -> list[CaseResult]:
    """Measure the scans that the journal (JSON lines) lacks and return all in order; scans are kept in `cases`."""
    results = evaluate_cases(scans, segment, journal, cases)
    return list(progress(results, len(scans), f"{journal.parent.parent.name}: {journal.stem}"))
