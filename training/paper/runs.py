"""Training the systems of a comparison: what is finished stays, what was interrupted continues."""

from dataclasses import dataclass, replace
from pathlib import Path

from training.cases.sources import CaseSource
from training.config.training import TrainingConfig
from training.fitting import cascade as auto_context
from training.fitting.cascade import level_folder
from training.fitting.checkpoint import load_level, save_level
from training.paper.systems import (
    SYSTEMS,
    System,
    configured,
    lends_level_1,
)

WEIGHTS = "weights.pt"


@dataclass(frozen=True)
class Run:
    """One system trained from one seed; its folder lies under the comparison's root."""

    system: System
    seed: int
    config: TrainingConfig
    folder: Path

    @property
    def label(self) -> str:
        """For progress bars and logs."""
        return f"{self.system.name}, seed {self.seed}"

    def finished(self) -> bool:
        """Whether every level spent its budget of steps."""
        return all(self._finished(level) for level in range(1, self.config.cascade.context_levels + 1))

    def fit(self, source: CaseSource, root: Path) -> None:
        """Train the levels that are not finished; level 1 is taken over from the system without auto-context."""
        self._adopt(root)
        for level in range(1, self.config.cascade.context_levels + 1):
            if not self._finished(level):
                auto_context.fit(self.config, source, self.folder, (level,), resume=True)

    def _finished(self, level: int) -> bool:
        path = level_folder(self.folder, level) / WEIGHTS
        return path.is_file() and load_level(path).steps >= self.config.budget.steps[level - 1]

    def _adopt(self, root: Path) -> None:
        """Take level 1 from a finished run of the same network and seed that has no further level."""
        own = level_folder(self.folder, 1) / WEIGHTS
        twins = [system for system in SYSTEMS.values() if lends_level_1(system, self.system)]
        for twin in () if own.is_file() else twins:
            path = level_folder(run_folder(root, twin, self.seed), 1) / WEIGHTS
            if path.is_file():
                weights = load_level(path)
                if weights.steps >= self.config.budget.steps[0]:
                    save_level(replace(weights, config=self.config), own)


def run_of(system: System, base: TrainingConfig, seed: int, root: Path) -> Run:
    """The run of a system at a scale's preset."""
    config = configured(system, base).model_copy(update={"seed": seed})
    return Run(system, seed, config, run_folder(root, system, seed))


def run_folder(root: Path, system: System, seed: int) -> Path:
    """Where a system's run from one seed lives."""
    return root / system.slug / f"seed_{seed}"
