"""The work of `fetalhead-train benchmark`: simulate, train and measure what is missing, then write a report."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.cases.sources import PhantomCache
from training.config.presets import load_config
from training.config.training import ConfigError, TrainingConfig
from training.evaluation.cases import ShowProgress
from training.evaluation.torch_segmenter import TorchSegmenter
from training.fitting.job import pick_device
from training.paper.figures.gallery import Gallery, choose_reference
from training.paper.report import write_report
from training.paper.runs import SystemRun, collect_results, make_run
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

    def runs(self) -> list[SystemRun]:
        """Return every system with every training seed; systems without auto-context first, whose level 1 is reused."""
        ordered = sorted(self.systems, key=lambda system: system.context_levels)
        return [make_run(system, self.base, seed, self.root) for system in ordered for seed in self.scale.seeds]

    def list_requests(self) -> Iterator[SimulationRequest]:
        """Yield the training and validation scans, those of level 1 first."""
        data = self.base.data
        for cases in data.train:
            for seed in range(cases.first, cases.stop):
                yield request_for("train", seed, self.scale.train_spacing)
        for number in range(data.validation_cases):
            yield request_for("validation", number, self.scale.train_spacing)

    def train(self) -> Iterator[SystemRun]:
        """Train what is not finished; yield each run when it is finished."""
        source = PhantomCache(self.phantoms)
        for run in self.runs():
            if not run.is_finished():
                run.fit(source, self.root)
            yield run

    def evaluate(self, progress: ShowProgress) -> None:
        """Measure every finished run."""
        device = pick_device(self.base.runtime.device)
        for run in self.runs():
            if run.is_finished():
                run.evaluate(self.scale, self.root / "cases", progress, device)

    def report(self, folder: Path, note: str = "") -> Path:
        """Write tables and figures of the finished systems.

        Raises:
            ConfigError: no system is finished.
        """
        finished = self._group_finished()
        if not finished:
            raise ConfigError(f"no finished system below {self.root}; run the benchmark without --no-train first")
        found = {name: collect_results(runs, self.scale) for name, runs in finished.items()}
        repeated = [run.read_results(self.scale, "reproducibility") for run in finished.get(REPEATED, ())]
        place = found[choose_reference(found)].median_seed
        gallery = Gallery(
            found,
            {name: TorchSegmenter.of_run(runs[place].folder) for name, runs in finished.items()},
            place,
            self.scale.list_scans("test"),
            self.root / "cases",
            repeated[place] if repeated else (),
        )
        figures = gallery.draw(folder / "figures")
        return write_report(folder, self.scale, found, figures, repeated, note)

    def _group_finished(self) -> dict[str, list[SystemRun]]:
        """Return the runs of the systems whose seeds are all finished, in the tables' order."""
        by_name: dict[str, list[SystemRun]] = {system.name: [] for system in self.systems}
        for run in self.runs():
            by_name[run.system.name].append(run)
        return {name: runs for name, runs in by_name.items() if all(run.is_finished() for run in runs)}


def select_systems(names: str | None) -> tuple[System, ...]:
    """Return the systems with these names, separated by commas; for None all of them, with the control."""
    if names is None:
        return tuple(SYSTEMS.values())
    return tuple(find_system(name.strip()) for name in names.split(","))
