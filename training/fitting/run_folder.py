"""The folder of a run: what lies where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RUNS = "runs"
"""The folder that runs lie in by default, each by the name of its preset."""


@dataclass(frozen=True)
class LevelFolder:
    """The folder of one context level of a run, which also holds TensorBoard's events."""

    path: Path

    @property
    def weights(self) -> Path:
        """The averaged weights; a level is finished, or could be used as it is, where they are there."""
        return self.path / "weights.pt"

    @property
    def checkpoint(self) -> Path:
        """Everything that an exact continuation needs."""
        return self.path / "last.pt"

    @property
    def initial(self) -> Path:
        """The weights that a level starts from where a model is trained on; they come before a warm start."""
        return self.path / "initial.pt"

    @property
    def finished(self) -> Path:
        """The mark of an ablation's level whose budget is spent."""
        return self.path / "finished"


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run."""

    path: Path

    @classmethod
    def of_preset(cls, preset: str) -> RunFolder:
        """Return the folder that a preset is trained in by default."""
        return cls(Path(RUNS) / preset)

    def __str__(self) -> str:
        """Return the path, for people."""
        return str(self.path)

    def level(self, number: int) -> LevelFolder:
        """Return the folder of a context level, 1 the first."""
        return LevelFolder(self.path / f"level_{number}")

    @property
    def is_trained(self) -> bool:
        """Whether this is a run whose first level has weights."""
        return self.level(1).weights.is_file()

    @property
    def phantoms(self) -> Path:
        """The simulated patients that it learns from by default."""
        return self.path / "phantoms"

    @property
    def split(self) -> Path:
        """The list of the own cases that it learned from."""
        return self.path / "split.csv"

    @property
    def rules(self) -> Path:
        """The review limits of the model that it started from."""
        return self.path / "rules.json"

    @property
    def kept_change(self) -> Path:
        """How much of what was learned from own cases is in its weights."""
        return self.path / "kept_change.json"

    @property
    def store(self) -> Path:
        """The model store that its candidate lies in."""
        return self.path / "store"

    @property
    def candidate(self) -> Path:
        """The exported model."""
        return self.store / "fetal_head" / "1"

    @property
    def scans(self) -> Path:
        """The simulated scans that its candidate is measured on by default."""
        return self.path / "scans"

    @property
    def release(self) -> Path:
        """The steps of a release that are finished."""
        return self.path / "release.json"

    @property
    def evaluation(self) -> Path:
        """The journals and figures of its evaluation."""
        return self.path / "evaluation"

    def journal(self, part: str) -> Path:
        """Return the results of the cases of one part, one a line."""
        return self.evaluation / f"{part}.jsonl"
