"""The command `release`: the steps from a preset to a model, each in a process of its own; resumable."""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.console import Commands
from app.files import write_atomically
from training.cli.shared import add_store, add_training, choose_run, spacing_mm, tell
from training.config.presets import load_config
from training.fitting.run_folder import RunFolder

GROUPS, CALIBRATION, PRECISION_GATE, BOX_GATE = 52, 80, 40, 20
"""Numbers of cases of the steps, and of groups of three directions each."""
EVALUATED = {"test": 200, "shifted": 100, "held_out": 100, "held_out_shifted": 50, "typical": 60}
"""Number of cases of each cohort."""
LEAST = 2
GATE_SPACING_MM = 1.3
REPEATED_SPACING_MM = 1.3

Arguments = tuple[str, ...]
RunCommand = Callable[[Arguments], int]
"""A function that runs one command of `fetalhead-train` and returns its exit code."""


class StepFailedError(Exception):
    """A step that ended with an error; the steps before it are kept."""


class OtherReleaseError(Exception):
    """A run that was begun with other arguments, whose results would be mixed with the new ones."""


def add_release(commands: Commands) -> None:
    """Add `release`."""
    release = commands.add_parser("release", help="fit, export, gates, calibration, evaluation: all of it; resumable")
    add_training(release)
    release.add_argument("--data", type=Path, help="folder of training phantoms (default: RUN/phantoms)")
    release.add_argument("--scans", type=Path, help="folder of the scans it is measured on (default: RUN/scans)")
    add_store(release, "for --from and --publish", written=True)
    release.add_argument("--share", type=float, default=1.0, help="of the usual cases of every step; 0.05 for a try")
    release.add_argument("--spacing", type=spacing_mm, default=0.38, help="mm, of the scans it is measured on")
    release.add_argument("--publish", action="store_true", help="as the next version, if no worse than the newest")
    release.set_defaults(command=_release)


def _release(options: argparse.Namespace) -> None:
    wanted = Release(
        preset=options.preset,
        run=choose_run(options, load_config(options.preset)),
        store=options.store,
        start=options.start,
        data=options.data,
        scans=options.scans,
        minutes=options.minutes,
        share=options.share,
        spacing_mm=options.spacing,
        publish=options.publish,
    )

    def in_a_process(step: Arguments) -> int:
        out = sys.stderr if options.json else None
        return subprocess.run([sys.executable, "-m", "training.cli.main", *step], check=False, stdout=out).returncode

    for step in carry_out(wanted, in_a_process):
        print(f"\n$ {format_command(step)}", file=sys.stderr if options.json else sys.stdout, flush=True)
    state = "published" if wanted.publish else f"ready; to publish it: {format_command(wanted.make_publish_step())}"
    tell(options, f"\n{wanted.run.candidate}: {state}", candidate=wanted.run.candidate, published=wanted.publish)


@dataclass(frozen=True)
class Release:
    """The plan of a release: the preset, the folder of its run, and the model that it starts from.

    Every step measures `share` of the usual number of cases, at least two; `spacing_mm` is that of the scans for
    calibration and evaluation. A published model is read from `store` and, with `publish`, written to it.
    """

    preset: str
    run: RunFolder
    store: Path
    start: str | None = None
    data: Path | None = None
    scans: Path | None = None
    minutes: float | None = None
    share: float = 1.0
    spacing_mm: float = 0.38
    publish: bool = False

    def steps(self) -> Iterator[Arguments]:
        """Yield the arguments of `fetalhead-train` for each step, in order."""
        data = self.data or self.run.phantoms
        yield self._fit(data)
        yield "export", f"{self.run}", "--data", f"{data}"
        scans = self.scans or self.run.scans
        validation, native, repeat = (scans / name for name in ("validation", "native", "repeat"))
        gate = ("--spacing", f"{max(self.spacing_mm, GATE_SPACING_MM)}", "--phantoms", f"{validation}")
        yield "focus", f"{self.run.candidate}", "--cases", self._count_cases(BOX_GATE), *gate
        yield "quantize", f"{self.run.candidate}", "--cases", self._count_cases(PRECISION_GATE), *gate
        measured = ("--spacing", f"{self.spacing_mm}", "--phantoms", f"{native}")
        yield "calibrate", f"{self.run.candidate}", "--cases", self._count_cases(CALIBRATION), *measured
        model = ("--store", f"{self.run.store}", "--out", f"{self.run.evaluation}")
        for cohort, cases in EVALUATED.items():
            yield "evaluate", "--cohort", cohort, "--cases", self._count_cases(cases), *model, *measured
        repeated = ("--spacing", f"{max(self.spacing_mm, REPEATED_SPACING_MM)}", "--phantoms", f"{repeat}")
        yield "reproducibility", "--groups", self._count_cases(GROUPS), *model, *repeated
        if self.publish:
            yield self.make_publish_step()

    def make_publish_step(self) -> Arguments:
        """Return the step that publishes the model as the store's next version, unless it is worse than the newest."""
        report = self.run.evaluation / "evaluation.json"
        return "publish", f"{self.run.candidate}", "--evaluation", f"{report}", "--store", f"{self.store}"

    def _fit(self, data: Path) -> Arguments:
        begun = () if self.start is None else ("--from", self.start, "--store", f"{self.store}")
        limited = () if self.minutes is None else ("--minutes", f"{self.minutes:g}")
        return "fit", self.preset, "--run", f"{self.run}", "--data", f"{data}", "--resume", *begun, *limited

    def _count_cases(self, usual: int) -> str:
        return str(max(LEAST, math.ceil(self.share * usual)))


def carry_out(release: Release, run: RunCommand) -> Iterator[Arguments]:
    """Carry out the steps that the journal lacks; yield each one when it begins.

    Raises:
        OtherReleaseError: the finished steps are not those of this release.
        StepFailedError: a step's exit code was not 0.
    """
    journal = release.run.release
    steps, done = list(release.steps()), read_finished_steps(journal)
    for wanted, finished in zip(steps, done, strict=False):
        if wanted != finished:
            raise OtherReleaseError(
                f"{release.run} was begun with `{format_command(finished)}`, not with `{format_command(wanted)}`; "
                "choose another folder with --run"
            )
    for step in steps[len(done) :]:
        yield step
        if code := run(step):
            command = format_command(step)
            raise StepFailedError(f"`{command}` ended with exit code {code}; see above; the same command continues it")
        done.append(step)
        write_atomically(journal, json.dumps({"finished": done}, indent=2) + "\n")


def read_finished_steps(journal: Path) -> list[Arguments]:
    """Read the steps that a release has finished; none where it has not begun."""
    if not journal.is_file():
        return []
    return [tuple(step) for step in json.loads(journal.read_text(encoding="utf-8"))["finished"]]


def format_command(step: Sequence[str]) -> str:
    """Format the command for a shell."""
    return " ".join(("fetalhead-train", *step))
