"""The cases of a batch: its files, and the names under which their results are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.batch.search import SUFFIXES, Found, search
from app.contract.upload import VolumeFields
from app.files import path_text


class BatchError(Exception):
    """Files that cannot be measured as one batch."""


@dataclass(frozen=True)
class Case:
    """One file, whose results are `{name}.json`, `{name}_mask.nii.gz` ... below the output folder."""

    path: Path
    name: str
    fault: str | None = None
    """Why it cannot be measured, where that is known before it is read."""
    fields: VolumeFields | None = None
    """What is known of it beside its file; by default what is known of the whole batch."""

    def report_path(self, output: Path) -> Path:
        """Return the path of its report, which is written after everything else."""
        return output / f"{self.name}.json"

    def file_path(self, output: Path, kind: str) -> Path:
        """Return the path of one of its files; `kind` is such as `mask.nii.gz`."""
        return output / f"{self.name}_{kind}"


def find_cases(inputs: Sequence[Path], output: Path | None) -> list[Case]:
    """Return a case for every file among the inputs, and for every scan below every folder among them.

    Files below `output` and masks of earlier runs are left out. A missing file is a case, which fails later; so is what
    a folder holds and cannot be read, and so are files of one folder that would be written under one name.

    Raises:
        BatchError: a folder holds no scan, or two inputs hold files that would be written under one name.
    """
    cases = [case for path in inputs for case in _list_cases(path, output)]
    _check_names(cases)
    return cases


def strip_suffix(name: str) -> str:
    """Return the name without the ending of its format.

    >>> strip_suffix("scan.nii.gz"), strip_suffix("scan.nrrd"), strip_suffix("scan.v2")
    ('scan', 'scan', 'scan.v2')
    """
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]


def _list_cases(path: Path, output: Path | None) -> list[Case]:
    if not path.is_dir():
        return [Case(path, strip_suffix(path_text(path.name)))]
    cases = [_name_case(found, path) for found in search(path, output)]
    if not cases:
        raise BatchError(f"{path_text(path)} holds no file that ends in {' or '.join(SUFFIXES)}.")
    names = _count_names(cases)
    return [case if names[case.name] <= 1 else replace(case, fault=_describe_clash(case.name, cases)) for case in cases]


def _name_case(found: Found, folder: Path) -> Case:
    relative = path_text(found.path.relative_to(folder))
    return Case(found.path, relative if found.fault else strip_suffix(relative), found.fault)


def _check_names(cases: Sequence[Case]) -> None:
    for name, count in _count_names(cases).items():
        if count > 1:
            raise BatchError(_describe_clash(name, cases))


def _count_names(cases: Sequence[Case]) -> Counter[str]:
    return Counter(case.name for case in cases if case.fault is None)


def _describe_clash(name: str, cases: Sequence[Case]) -> str:
    paths = [path_text(case.path) for case in cases if case.name == name and case.fault is None]
    return f"{len(paths)} files would be written as {name}: {', '.join(paths)}. Measure them into separate folders."
