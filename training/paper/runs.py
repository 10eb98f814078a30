"""Training and measurement of a comparison's systems; what is finished is kept, what was interrupted continues."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from training.cases.sources import CaseSource
from training.config.training import TrainingConfig
from training.evaluation.cases import CaseResult, ShowProgress, evaluate_cases, read_journal
from training.evaluation.torch_segmenter import TorchSegmenter
from training.fitting import cascade as auto_context
from training.fitting.checkpoint import load_level, save_level
from training.fitting.run_folder import RunFolder
from training.paper.scales import PARTS, REPEATED, Scale
from training.paper.systems import SYSTEMS, System, configure, lends_level_1
from training.paper.tables import SystemResults

AUXILIARY = ("head_half", "head_quarter")
"""The parts of a network that only training needs."""


@dataclass(frozen=True)
class SystemRun:
    """One system trained from one seed; its folder lies under the comparison's root."""

    system: System
    seed: int
    config: TrainingConfig
    folder: RunFolder

    @property
    def label(self) -> str:
        """The name in progress bars and logs."""
        return f"{self.system.name}, seed {self.seed}"

    def is_finished(self) -> bool:
        """Return whether every level has spent its budget of steps."""
        return all(self._is_finished(level) for level in range(1, self.config.context_levels + 1))

    def fit(self, source: CaseSource, root: Path) -> None:
        """Train the levels that are not finished; level 1 is copied from the system without auto-context."""
        self._adopt(root)
        for level in range(1, self.config.context_levels + 1):
            if not self._is_finished(level):
                auto_context.fit(self.config, source, self.folder, (level,), resume=True)

    def evaluate(self, scale: Scale, cases: Path, progress: ShowProgress, device: torch.device) -> None:
        """Measure the scans that the journals lack; scans are kept in `cases` for the next system.

        Repeated scans are measured by the paper's full system alone.
        """
        segment = TorchSegmenter.of_run(self.folder, device)
        for part in (*PARTS, "reproducibility") if self.system.name == REPEATED else PARTS:
            requests = scale.list_scans(part)
            results = evaluate_cases(requests, segment, self.folder.journal(part), cases)
            for _ in progress(results, len(requests), f"{self.label}: {part}"):
                pass

    def read_results(self, scale: Scale, part: str) -> tuple[CaseResult, ...]:
        """Read the results of a part's scans in their order.

        Raises:
            ValueError: a scan was not measured.
        """
        found = {result.seed: result for result in read_journal(self.folder.journal(part))}
        wanted = [request.seed for request in scale.list_scans(part)]
        missing = [seed for seed in wanted if seed not in found]
        if missing:
            raise ValueError(f"{self.label}: {len(missing)} {part} cases are not measured, such as {missing[0]}")
        return tuple(found[seed] for seed in wanted)

    def _is_finished(self, level: int) -> bool:
        path = self.folder.level(level).weights
        return path.is_file() and load_level(path).steps >= self.config.budget.steps[level - 1]

    def _adopt(self, root: Path) -> None:
        """Copy level 1 from a finished run of the same network and seed that has no further level."""
        own = self.folder.level(1).weights
        twins = [system for system in SYSTEMS.values() if lends_level_1(system, self.system)]
        for twin in () if own.is_file() else twins:
            path = locate_run(root, twin, self.seed).level(1).weights
            if path.is_file():
                weights = load_level(path)
                if weights.steps >= self.config.budget.steps[0]:
                    save_level(replace(weights, config=self.config), own)


def make_run(system: System, base: TrainingConfig, seed: int, root: Path) -> SystemRun:
    """Make the run of a system with a scale's preset."""
    config = configure(system, base).model_copy(update={"seed": seed})
    return SystemRun(system, seed, config, locate_run(root, system, seed))


def locate_run(root: Path, system: System, seed: int) -> RunFolder:
    """Return the folder of a system's run from one seed."""
    return RunFolder(root / system.slug / f"seed_{seed}")


def collect_results(runs: Sequence[SystemRun], scale: Scale) -> SystemResults:
    """Collect the results of one system over all its seeds."""
    levels = [load_level(run.folder.level(n).weights) for run in runs for n in range(1, run.system.context_levels + 1)]
    used = [
        value.numel()
        for level in levels[: runs[0].system.context_levels]
        for name, value in level.state.items()
        if not any(part in name for part in AUXILIARY)
    ]
    return SystemResults(
        system=runs[0].system,
        seeds=tuple(run.seed for run in runs),
        test=tuple(run.read_results(scale, "test") for run in runs),
        shifted=tuple(run.read_results(scale, "shifted") for run in runs),
        parameters=sum(used),
        minutes=sum(level.spent_s for level in levels) / 60 / len(runs),
    )
