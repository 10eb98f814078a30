"""Pairing of results with true masks by their file names.

The mask of the result `a/P01` is `a/P01.nii.gz` in the folder of masks, or else the only `P01.nii.gz` in any subfolder.
Endings that say what a file is (`P01_mask`, `P01_0000` in nnU-Net's layout) are no part of a name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from app.batch.cases import strip_suffix
from app.batch.search import MASK_SUFFIXES, search
from app.batch.written import find_reports
from app.comparison.errors import ComparisonError
from app.files import path_text

ENDING: Final = re.compile(r"[_.-](0000|mask|seg|segmentation|labels?|truth|gt)$", re.IGNORECASE)
SHOWN: Final = 3


@dataclass(frozen=True)
class Pair:
    """A result and its true mask, one of which may be missing; `fault` says why they cannot be compared."""

    name: str
    report: Path | None = None
    truth: Path | None = None
    fault: str | None = None


def find_pairs(results: Path, masks: Path) -> list[Pair]:
    """Return a pair for each result and for each mask without one, sorted by name.

    Raises:
        ComparisonError: a folder is missing or holds nothing of its kind, or no mask belongs to a result.
    """
    reports = _find_results(results)
    truths = _find_masks(masks, results)
    pairs = list(_pair(reports, truths))
    if not any(pair.report and (pair.truth or pair.fault) for pair in pairs):
        raise ComparisonError(
            f"No mask in {path_text(masks)} belongs to a result in {path_text(results)}. A mask is named like its scan:"
            f" {_first(f'{name}.nii.gz or {name}_mask.nii.gz' for name in list(reports)[:1])}. Results: "
            f"{_first(reports)}. Masks: {_first(truths)}. Rename the masks, or name another folder."
        )
    return sorted(pairs, key=lambda pair: pair.name)


def _find_results(folder: Path) -> dict[str, Path]:
    """Return the reports in a folder for results by the names of their scans."""
    _check_folder(folder, "the folder that fetalhead segment wrote with -o")
    found = {path_text(name): path for name, path in sorted(find_reports(folder)) if path.is_file()}
    if not found:
        raise ComparisonError(
            f"{path_text(folder)} holds no result: no NAME_mask.nii.gz with a NAME.json beside it. Name the folder "
            "that fetalhead segment wrote with -o."
        )
    return found


def _find_masks(folder: Path, results: Path) -> dict[str, Pair]:
    """Return the true masks by their paths without the file's ending."""
    _check_folder(folder, "the folder of true masks")
    if folder.samefile(results):
        raise ComparisonError(f"{path_text(folder)} holds the results themselves; name the folder of true masks.")
    found = [
        Pair(strip_suffix(path_text(one.path.relative_to(folder))), truth=one.path, fault=one.fault)
        for one in search(folder, results, with_masks=True)
    ]
    if not found:
        raise ComparisonError(f"{path_text(folder)} holds no file that ends in {' or '.join(MASK_SUFFIXES)}.")
    twice = [name for name, count in Counter(pair.name for pair in found).items() if count > 1]
    fault = "The folder holds this mask as .nii and as .nii.gz; keep one of them."
    return {pair.name: replace(pair, fault=fault) if pair.name in twice else pair for pair in found}


def _pair(reports: Mapping[str, Path], truths: Mapping[str, Pair]) -> Iterator[Pair]:
    """Yield each result with its mask, if any, and then the masks that are left."""
    alike = {name: _find_alike(name, reports, truths) for name in reports}
    claims = Counter(truth for found in alike.values() for truth in found)
    for name, report in reports.items():
        found = alike[name]
        if not found:
            yield Pair(name, report)
        elif len(found) > 1:
            yield Pair(name, report, fault=f"Several masks may belong to it: {_first(found)}. Keep one of them.")
        elif claims[found[0]] > 1:
            others = [other for other, masks in alike.items() if found[0] in masks]
            remedy = "Give the folder of masks the same subfolders as the scans."
            yield Pair(
                name, report, fault=f"The mask {found[0]} may belong to several scans: {_first(others)}. {remedy}"
            )
        else:
            yield replace(truths[found[0]], name=name, report=report)
    yield from (
        replace(pair, fault=pair.fault or "It has no result.") for key, pair in truths.items() if key not in claims
    )


def _find_alike(name: str, reports: Mapping[str, Path], truths: Mapping[str, Pair]) -> list[str]:
    """Return the masks that may belong to a result: those in its own folder or, where there are none, all."""
    alike = [truth for truth in truths if _core(truth) == _core(name) and (truth == name or truth not in reports)]
    beside = [truth for truth in alike if Path(truth).parent == Path(name).parent]
    return beside or alike


def _core(name: str) -> str:
    return ENDING.sub("", Path(name).name)


def _check_folder(folder: Path, expected: str) -> None:
    if not folder.is_dir():
        raise ComparisonError(f"{path_text(folder)} is not a folder; name {expected}.")


def _first(names: Sequence[str] | Mapping[str, object] | Iterator[str]) -> str:
    """Return the first few names as text."""
    known = list(names)
    return ", ".join(known[:SHOWN]) + (" ..." if len(known) > SHOWN else "")
