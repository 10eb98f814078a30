"""What the commands do when they are given a folder of one's own instead of simulated patients."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.statistics.agreement import MIN_CASES
from training.config.training import ConfigError
from training.evaluation.calibration import Labelled
from training.evaluation.cases import Segment, ShowProgress
from training.evaluation.report import ALL
from training.evaluation.writing import OWN_REPRODUCIBILITY
from training.own_data.folder import LAYOUTS, OwnCase, OwnFolder, read_folder, read_labelled
from training.own_data.measuring import (
    evaluate_own,
    find_repeated,
    measure_repeated,
    summarise_repeats,
    write_scans,
)
from training.own_data.split import Split, split_cases

FEWEST_CALIBRATING = 3
SCANS_FILE = "repeated_scans.csv"


@dataclass(frozen=True)
class OwnData:
    """A folder of one's own and the file that splits it, if any."""

    folder: Path
    split: Path | None = None

    def evaluate(self, part: str, segment: Segment, out: Path, shown: ShowProgress) -> None:
        """Measure the cases of a part against their labels, and write the journal."""
        cases = self._choose_cases(part)
        if len(cases) < MIN_CASES:
            raise ConfigError(
                f"part {part!r} of {self.folder} has {_count(cases)}; an evaluation needs {MIN_CASES} or more: "
                f"--part {ALL} evaluates every case, --split says which case is in which part"
            )
        print(f"part {part!r}: {_count(cases)}", file=sys.stderr)
        out.mkdir(parents=True, exist_ok=True)
        results = list(shown(evaluate_own(cases, segment), len(cases), part))
        lines = [result.model_dump_json() + "\n" for result in results]
        (out / f"{part}.jsonl").write_text("".join(lines), encoding="utf-8")

    def open_labelled(self, part: str) -> tuple[Callable[[], Iterable[Labelled]], int]:
        """Return the cases of a part, to be read as often as wanted, and how many; ConfigError for too few."""
        cases = self.split_cases().part(part)
        if len(cases) < FEWEST_CALIBRATING:
            raise ConfigError(
                f"calibration needs {FEWEST_CALIBRATING} cases, part {part!r} of {self.folder} has {len(cases)}; "
                "give more cases to it with --split"
            )
        return lambda: (Labelled(n, *read_labelled(case)) for n, case in enumerate(cases)), len(cases)

    def reproducibility(self, segment: Segment, out: Path) -> None:
        """Measure patients with several scans, without labels; write every scan's volume, and their spread."""
        groups, left_out = find_repeated(self._read_usable(with_labels=False).cases)
        for who in left_out:
            print(f"left out: {who}", file=sys.stderr)
        scans = list(measure_repeated(groups, segment))
        found = summarise_repeats(scans, left_out)
        out.mkdir(parents=True, exist_ok=True)
        write_scans(out / SCANS_FILE, scans)
        text = found.model_dump_json(indent=2, exclude_none=True)
        (out / OWN_REPRODUCIBILITY).write_text(text + "\n", encoding="utf-8")

    def split_cases(self) -> Split:
        """Return the usable cases by their part."""
        return split_cases(self._read_usable().cases, self.folder, self.split)

    def _choose_cases(self, part: str) -> tuple[OwnCase, ...]:
        """Return the cases of a part; all of them need no split."""
        if part != ALL:
            return self.split_cases().part(part)
        if self.split is not None:
            raise ConfigError(f"--part {ALL} evaluates every case; leave --split out")
        return self._read_usable().cases

    def _read_usable(self, with_labels: bool = True) -> OwnFolder:
        """Read the folder's usable cases; what was left out is said on standard error."""
        found = read_folder(self.folder, with_labels)
        print(found.report(), file=sys.stderr)
        if not found.cases:
            raise ConfigError(f"no usable case in {self.folder}")
        return found


def _count(cases: Sequence[OwnCase]) -> str:
    return f"{len(cases)} case" + ("" if len(cases) == 1 else "s")


def is_own(folder: Path | None) -> bool:
    """Return whether a data folder holds images rather than simulated patients."""
    return folder is not None and any((folder / images).is_dir() for images, _, _ in LAYOUTS)
