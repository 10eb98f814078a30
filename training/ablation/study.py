"""One preset, trained in full and once without each of several parts, and measured on the same test scans."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.contract.value import Value
from training.cases.sources import CaseSource
from training.config.training import TrainingConfig
from training.evaluation.cases import CaseResult, ShowProgress, evaluate_cases
from training.evaluation.markdown import markdown_table
from training.evaluation.statistics.paired import SeededDifference, compare_seeded, index_by_case
from training.evaluation.torch_segmenter import TorchSegmenter
from training.fitting import cascade as auto_context
from training.fitting.job import pick_device
from training.fitting.run_folder import RunFolder
from training.phantom import SimulationRequest

FULL = "full"
"""The folder of the full recipe."""
SEED_STEP = 1000
Runs = Sequence[Sequence[CaseResult]]
"""The results of every training seed's run."""
HEADER = (
    "left out", "test scans", "DSC, all seen [%]", "DSC, never seen [%]", "difference [95 % interval]", "by seed",
    "p, cases alone", "mean volume error, all seen to never seen [%]", "difference [95 % interval]",
)  # fmt: skip


class AblationResult(Value):
    """The accuracy of the full recipe and of the one without a part on one set of test scans, over seeds.

    DSC as fractions; volume errors are means of absolute ones, in per cent; differences are left out minus full.
    """

    left_out: str
    scans: str
    cases: int
    dsc_full: float
    dsc_left_out: float
    difference: SeededDifference
    volume_error_full_percent: float
    volume_error_left_out_percent: float
    volume_error_difference: SeededDifference


@dataclass(frozen=True)
class Variant:
    """The recipe without one part, and the names of the sets of test scans that tell what the part is worth."""

    left_out: str
    config: TrainingConfig
    scans: tuple[str, ...]

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return "without_" + self.left_out.replace(",", "").replace(" ", "_")


@dataclass(frozen=True)
class Ablation:
    """A recipe, its variants and the test scans by name of their set; `root` holds the runs and the scans."""

    root: Path
    full: TrainingConfig
    variants: Sequence[Variant]
    scans: Mapping[str, Sequence[SimulationRequest]]

    def fit(self, source: CaseSource, seeds: int = 1) -> Iterator[str]:
        """Train every recipe from so many seeds; what is finished is kept. Yield each run's name when it is done."""
        recipes = {FULL: self.full} | {variant.folder: variant.config for variant in self.variants}
        for number in range(seeds):
            for name, config in recipes.items():
                run = self._locate(name, number)
                _fit(config.model_copy(update={"seed": config.seed + SEED_STEP * number}), source, run)
                yield run.path.name

    def evaluate(self, progress: ShowProgress, seeds: int = 1) -> list[AblationResult]:
        """Measure the scans that the runs' journals lack; compare each variant with the full recipe."""

        def measure(recipe: str, scans: str) -> Runs:
            return [self._measure(self._locate(recipe, number), scans, progress) for number in range(seeds)]

        full = {name: measure(FULL, name) for name in self.scans}
        return [
            _compare(variant.left_out, name, measure(variant.folder, name), full[name])
            for variant in self.variants
            for name in variant.scans
        ]

    def _measure(self, run: RunFolder, scans: str, progress: ShowProgress) -> Sequence[CaseResult]:
        segment = TorchSegmenter.of_run(run, pick_device(self.full.runtime.device))
        requests = self.scans[scans]
        results = evaluate_cases(requests, segment, run.journal(scans), self.root / "cases" / scans)
        return list(progress(results, len(requests), f"{run.path.name}: {scans}"))

    def _locate(self, name: str, number: int) -> RunFolder:
        return RunFolder(self.root / (f"{name}_seed_{number + 1}" if number else name))


def _fit(config: TrainingConfig, source: CaseSource, run: RunFolder) -> None:
    """Train the levels that are not finished, continuing from their checkpoints."""
    for level in range(1, config.context_levels + 1):
        finished = run.level(level).finished
        if not finished.is_file():
            auto_context.fit(config, source, run, (level,), resume=True)
            finished.touch()


def _compare(left_out: str, scans: str, out: Runs, full: Runs) -> AblationResult:
    dsc_out, dsc_full = ([index_by_case(run, "dsc") for run in runs] for runs in (out, full))
    error_out, error_full = ([index_by_case(run, "volume_error_percent") for run in runs] for runs in (out, full))
    return AblationResult(
        left_out=left_out,
        scans=scans,
        cases=len(out[0]),
        dsc_full=_average(dsc_full),
        dsc_left_out=_average(dsc_out),
        difference=compare_seeded(dsc_out, dsc_full, shared_seeds=False),
        volume_error_full_percent=_average(error_full),
        volume_error_left_out_percent=_average(error_out),
        volume_error_difference=compare_seeded(error_out, error_full, shared_seeds=False),
    )


def _average(runs: Sequence[Mapping[int, float]]) -> float:
    return float(np.mean([value for run in runs for value in run.values()]))


def format_table(found: Sequence[AblationResult]) -> str:
    """Return the results as a Markdown table."""
    return markdown_table(HEADER, map(_format_row, found), words=2)


def _format_row(one: AblationResult) -> tuple[str, ...]:
    return (
        one.left_out,
        one.scans.replace("_", " "),
        f"{100 * one.dsc_full:.2f}",
        f"{100 * one.dsc_left_out:.2f}",
        one.difference.format(),
        ", ".join(f"{100 * value:+.1f}" for value in one.difference.by_seed),
        f"{one.difference.wilcoxon_p:.3g}",
        f"{one.volume_error_full_percent:.1f} to {one.volume_error_left_out_percent:.1f}",
        one.volume_error_difference.format(factor=1),
    )
