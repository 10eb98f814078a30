"""Search of a folder for scans: linked folders too, each folder once; what cannot be read is found as well."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.contract.report import MASK
from app.imaging.formats.endings import DETACHED, ENDINGS

SUFFIXES: Final = (*ENDINGS, *DETACHED)
"""What a scan's name ends in; headers without voxels are found, too, so that they are refused with a remedy."""
MASK_SUFFIXES: Final = (".nii.gz", ".nii")
OTHER_KIND: Final = re.compile(r"\.[a-z][a-z0-9]{0,4}$", re.IGNORECASE)
"""The ending of a file's name; a link to nothing without one may have led to a folder of scans."""
FETCH: Final = "Fetch what it leads to, such as with datalad get or git annex get, or remove it."


@dataclass(frozen=True)
class Found:
    """A scan, or a path that may be or hold one and cannot be read; `fault` says why."""

    path: Path
    fault: str | None = None


def search(folder: Path, output: Path | None, with_masks: bool = False) -> list[Found]:
    """Return what is found below a folder, sorted by path: scans, or with `with_masks` NIfTI files alone.

    Left out are the output folder, names that begin with a dot and, unless they are wanted, masks that lie beside their
    report. A folder that is linked is searched where it is itself, if that is below the folder as well.
    """
    own = None if output is None else os.path.realpath(output)
    if own is not None and _is_within(os.path.realpath(folder), own):
        own = None
    found: list[Found] = []
    seen: set[tuple[int, int]] = set()
    folders, linked = [folder], list[Path]()
    while folders or linked:
        current = folders.pop() if folders else linked.pop(0)
        try:
            identity = os.stat(current)
            if (identity.st_dev, identity.st_ino) in seen:
                continue
            seen.add((identity.st_dev, identity.st_ino))
            with os.scandir(current) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            found.append(Found(current, f"The folder cannot be read: {error.strerror}."))
            continue
        for entry in entries:
            path = current / entry.name
            if entry.name.startswith(".") or (own is not None and _is_within(os.path.realpath(path), own)):
                continue
            if _is_folder(entry):
                (linked if entry.is_symlink() else folders).append(path)
            else:
                found += _look_at(path, with_masks)
        linked.sort()
    return sorted(found, key=lambda one: one.path)


def _look_at(path: Path, with_masks: bool) -> Iterator[Found]:
    """Yield a path that is no folder, if it matters."""
    is_wanted = path.name.lower().endswith(MASK_SUFFIXES if with_masks else SUFFIXES)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if is_wanted or not OTHER_KIND.search(path.name):
            yield Found(path, _describe_fault(path, error))
        return
    if is_wanted and (with_masks or not _is_mask(path)):
        yield Found(path, None if stat.S_ISREG(mode) else "It is no file that can be read.")


def _describe_fault(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        return f"It is a link to {path.readlink()}, which is not there. {FETCH}"
    return f"It cannot be read: {error.strerror}."


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _is_mask(path: Path) -> bool:
    """Return whether an earlier run wrote this file, so that its report lies beside it."""
    ending = f"_{MASK}"
    return path.name.endswith(ending) and path.with_name(path.name.removesuffix(ending) + ".json").is_file()
