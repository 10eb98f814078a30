"""The files of each segmentation, one folder each, written whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from app.files import PARTIAL_SUFFIX, digest, flush, write_and_flush, write_atomically
from app.records.errors import DamagedArtifactError

EDITED_MASK = "edited_mask_{number}.nii.gz"


class ArtifactStore:
    """Files below one root folder: `root/<first two letters>/<id>/<name>`."""

    def __init__(self, root: Path, make: bool = True) -> None:
        """Use a folder, which `make` creates where it is missing; without `make` the store is only read."""
        self._root = root
        if make:
            root.mkdir(parents=True, exist_ok=True)

    def write(self, segmentation_id: str, files: Mapping[str, bytes]) -> dict[str, str]:
        """Store a segmentation's files at once and return the SHA-256 of each.

        They are written to a folder of their own, flushed to the disk, and the folder is renamed: a reader, or a
        machine that lost power, sees all of them or none.
        """
        folder = self._folder(segmentation_id)
        partial = folder.with_name(folder.name + PARTIAL_SUFFIX)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, content in files.items():
            write_and_flush(partial / name, content)
        flush(partial)
        partial.rename(folder)
        flush(folder.parent)
        return {name: digest(content) for name, content in files.items()}

    def add(self, segmentation_id: str, name: str, content: bytes) -> str:
        """Store one more file beside a segmentation's others, whole or not at all, and return its SHA-256."""
        folder = self._folder(segmentation_id)
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, content)
        return digest(content)

    def read(self, segmentation_id: str, name: str, sha256: str) -> bytes:
        """Return the content of one file.

        Raises:
            DamagedArtifactError: the file is missing, or its content is not what was stored.
        """
        try:
            content = (self._folder(segmentation_id) / name).read_bytes()
        except OSError as error:
            raise DamagedArtifactError(segmentation_id, name) from error
        if digest(content) != sha256:
            raise DamagedArtifactError(segmentation_id, name)
        return content

    def erase(self, segmentation_id: str) -> None:
        """Remove a segmentation's files, if there are any."""
        shutil.rmtree(self._folder(segmentation_id), ignore_errors=True)

    def holds(self, segmentation_id: str, names: Iterable[str]) -> bool:
        """Return whether all these files of a segmentation exist."""
        folder = self._folder(segmentation_id)
        return all((folder / name).is_file() for name in names)

    def ids(self) -> list[str]:
        """Return the ids of the segmentations that have a folder."""
        return [path.name for path in self._root.glob("*/*") if path.suffix != PARTIAL_SUFFIX and path.is_dir()]

    def sweep(self) -> int:
        """Remove what interrupted writes left, folders and files, and return the number of both."""
        folders, files = (list(self._root.glob(f"{place}/*{PARTIAL_SUFFIX}")) for place in ("*", "*/*"))
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        for file in files:
            file.unlink(missing_ok=True)
        return len(folders) + len(files)

    def _folder(self, segmentation_id: str) -> Path:
        return self._root / segmentation_id[:2] / segmentation_id
