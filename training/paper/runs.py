"""Training of a comparison's systems: finished levels are kept, interrupted ones continue."""

from dataclasses import dataclass, replace
from pathlib import Path

from training.cases.sources import CaseSource
from training.config.training import TrainingConfig
from training.fitting import cascade as auto_context
from training.fitting.checkpoint import load_level, save_level
from training.fitting.run_folder import RunFolder
from training.paper.systems import (
    SYSTEMS,
    System,
    configure,
    lends_level_1,
)


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
