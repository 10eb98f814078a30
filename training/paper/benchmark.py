"""`fetalhead-train benchmark`: simulate, train and measure what is missing, then write tables and figures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.cases.sources import PhantomCache
from training.config.presets import load_config
from training.config.training import ConfigError, TrainingConfig
from training.evaluation.cases import CaseResult
from training.evaluation.torch_segmenter import TorchSegmenter
from training.fitting.loop import pick_device
from training.paper.figures.gallery import Gallery, reference_system
from training.paper.measure import (
    Progress,
    evaluate_run,
    measured,
    results_of,
)
from training.paper.report import write_report
from training.paper.runs import Run, run_of
from training.paper.scales import REPEATED, Scale
from training.paper.systems import SYSTEMS, System, find_system
from training.phantom import SimulationRequest
from training.phantom.cohort import request_for


@dataclass(frozen=True)
class Benchmark:
    """A comparison at one scale; `root` holds its runs, `phantoms` its training cases."""

    scale: Scale
    root: Path
    phantoms: Path
    systems: tuple[System, ...] = tuple(SYSTEMS.values())

    @property
    def base(self) -> TrainingConfig:
        """The preset that all systems share."""
        return load_config(self.scale.preset)

    def runs(self) -> list[Run]:
        """Every system from every training seed; systems without auto-context first, they lend their level 1."""
        ordered = sorted(self.systems, key=lambda system: system.context_levels)
        return [run_of(system, self.base, seed, self.root) for system in ordered for seed in self.scale.seeds]

    def wanted(self) -> Iterator[SimulationRequest]:
        """The training and validation scans, those of level 1 first."""
        data = self.base.data
        for cases in data.train:
            for seed in range(cases.first, cases.stop):
                yield request_for("train", seed, self.scale.train_spacing)
        for number in range(data.validation_cases):
            yield request_for("validation", number, self.scale.train_spacing)

    def train(self) -> Iterator[Run]:
        """Train what is not finished; yields each run when it is."""
        source = PhantomCache(self.phantoms)
        for run in self.runs():
            if not run.finished():
                run.fit(source, self.root)
            yield run

    def evaluate(self, progress: Progress) -> None:
        """Measure every finished run."""
        device = pick_device(self.base.runtime.device)
        for run in self.runs():
            if run.finished():
                evaluate_run(run, self.scale, self.root / "cases", progress, device)

    def report(self, folder: Path, note: str = "") -> Path:
        """Write tables and figures of the finished systems; ConfigError when there is none."""
        finished = self._finished()
        if not finished:
            raise ConfigError(f"no finished system below {self.root}; run the benchmark without --no-train first")
        found = {name: measured(runs, self.scale) for name, runs in finished.items()}
        repeated = self._repeated(finished)
        place = found[reference_system(found)].median_seed
        gallery = Gallery(
            found,
            {name: TorchSegmenter.of_run(runs[place].folder) for name, runs in finished.items()},
            place,
            self.scale.evaluation("test"),
            self.root / "cases",
            repeated[place] if repeated else (),
        )
        figures = gallery.draw(folder / "figures")
        return write_report(folder, self.scale, found, figures, repeated, note)

    def _finished(self) -> dict[str, list[Run]]:
        """The runs of every system all of whose seeds are finished, in the tables' order."""
        by_name: dict[str, list[Run]] = {system.name: [] for system in self.systems}
        for run in self.runs():
            by_name[run.system.name].append(run)
        return {name: runs for name, runs in by_name.items() if all(run.finished() for run in runs)}

    def _repeated(self, finished: Mapping[str, Sequence[Run]]) -> list[tuple[CaseResult, ...]]:
        """The full system's repeated scans, one list per training seed."""
        scans = self.scale.evaluation("reproducibility")
        return [results_of(run, scans, "reproducibility") for run in finished.get(REPEATED, ())]


def chosen_systems(names: str | None) -> tuple[System, ...]:
    """Systems by their names, separated by commas; all of them, the control too, for None."""
    if names is None:
        return tuple(SYSTEMS.values())
    return tuple(find_system(name.strip()) for name in names.split(","))
