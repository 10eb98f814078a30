"""The cases of a batch: its files, and the names under which their results are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.contract.report import MASK

SUFFIXES = (".nii.gz", ".nii")


class BatchError(Exception):
    """Files that cannot be measured as one batch."""


@dataclass(frozen=True)
class Case:
    """One file, whose results are `{name}.json`, `{name}_mask.nii.gz` ... below the output folder."""

    path: Path
    name: str

    def report_path(self, output: Path) -> Path:
        """Return the path of its report, which is written after everything else."""
        return output / f"{self.name}.json"

    def file_path(self, output: Path, kind: str) -> Path:
        """Return the path of one of its files; `kind` is such as `mask.nii.gz`."""
        return output / f"{self.name}_{kind}"


def find_cases(inputs: Sequence[Path], output: Path | None) -> list[Case]:
    """Return a case for every file among the inputs, and for every NIfTI file below every folder among them.

    Files below `output` and masks of earlier runs are left out. A missing file is a case, which fails later.

    Raises:
        BatchError: a folder holds no NIfTI file, or two files would be written under one name.
    """
    cases = [case for path in inputs for case in _list_cases(path, output)]
    _check_names(cases)
    return cases


def strip_suffix(name: str) -> str:
    """Return the name without .nii or .nii.gz.

    >>> strip_suffix("scan.nii.gz"), strip_suffix("scan.v2")
    ('scan', 'scan.v2')
    """
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]


def _list_cases(path: Path, output: Path | None) -> list[Case]:
    if not path.is_dir():
        return [Case(path, strip_suffix(path.name))]
    found = [Case(file, strip_suffix(str(file.relative_to(path)))) for file in _find_volumes(path, output)]
    if not found:
        raise BatchError(f"{path} holds no file that ends in {' or '.join(SUFFIXES)}.")
    return found


def _find_volumes(folder: Path, output: Path | None) -> Iterator[Path]:
    own = None if output is None or output.resolve() == folder.resolve() else output.resolve()
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or not path.name.lower().endswith(SUFFIXES) or not path.is_file():
            continue
        if (own is None or own not in path.resolve().parents) and not _is_mask(path):
            yield path


def _is_mask(path: Path) -> bool:
    """Return whether an earlier run wrote this file, so that its report lies beside it."""
    ending = f"_{MASK}"
    return path.name.endswith(ending) and path.with_name(path.name.removesuffix(ending) + ".json").is_file()


def _check_names(cases: Sequence[Case]) -> None:
    counts = Counter(case.name for case in cases)
    for name, count in counts.items():
        if count > 1:
            paths = ", ".join(str(case.path) for case in cases if case.name == name)
            raise BatchError(f"{count} files would be written as {name}: {paths}. Measure them into separate folders.")
