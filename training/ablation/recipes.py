"""One recipe among several that are compared: train it once, measure it once, both resumable."""

from collections.abc import Sequence
from pathlib import Path

from training.cases.sources import CaseSource
from training.config.training import TrainingConfig
from training.evaluation.cases import CaseResult, Segment, evaluate_cases
from training.evaluation.statistics.paired import PairedDifference, SeededDifference
from training.fitting import cascade as auto_context
from training.fitting.cascade import level_folder
from training.paper.measure import Progress
from training.phantom import SimulationRequest

FULL = "full"
"""The folder of the recipe that leaves nothing out."""
FINISHED = "finished"


def fit_recipe(config: TrainingConfig, source: CaseSource, folder: Path) -> None:
    """Train the levels that are not finished, continuing from their checkpoints."""
    for level in range(1, config.cascade.context_levels + 1):
        finished = level_folder(folder, level) / FINISHED
        if not finished.is_file():
            auto_context.fit(config, source, folder, (level,), resume=True)
            finished.touch()


def shown(difference: PairedDifference | SeededDifference, factor: int = 100) -> str:
    """A difference with its 95 % interval, for a table; by default in per cent of what is a fraction."""
    mean, low, high = (factor * value for value in (difference.mean, *difference.ci95))
    return f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"


def measured_cases(
    segment: Segment, scans: Sequence[SimulationRequest], journal: Path, cases: Path, progress: Progress
) -> list[CaseResult]:
    """The scans in their order; what the journal (JSON lines) lacks is measured, the scans are kept in `cases`."""
    results = evaluate_cases(scans, segment, journal, cases)
    return list(progress(results, len(scans), f"{journal.parent.parent.name}: {journal.stem}"))
