"""Published models on disk: `<root>/<name>/<version>/`, one folder per version, never changed once published."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.files import digest
from app.inference.errors import DamagedModel, ModelNotFound
from app.inference.manifest import MANIFEST_FILE, ModelManifest, NetworkFile

MODEL_CARD_FILE = "model_card.md"
EVALUATION_FILE = "evaluation.json"
LARGEST_FILE = 1 << 30
PUBLISH_AGAIN = "restore the version's folder from where it was published"


@dataclass(frozen=True, eq=False)
class StoredModel:
    """A manifest and its verified files; `others` are the levels of lower precisions."""

    manifest: ModelManifest
    levels: tuple[bytes, ...]
    selftest: bytes
    folder: Path
    others: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)

    def levels_for(self, precision: str) -> tuple[bytes, ...]:
        """Return the levels to run in this precision."""
        return self.others.get(precision) or self.levels

    def model_card(self) -> str | None:
        """Return the model card (Markdown) or None; raise `DamagedModel` if it is not text."""
        return _text(self.folder / MODEL_CARD_FILE)

    def evaluation(self) -> Any:
        """Return the parsed evaluation.json or None; raise `DamagedModel` if it is not JSON."""
        path = self.folder / EVALUATION_FILE
        text = _text(path)
        try:
            return None if text is None else json.loads(text)
        except ValueError as error:
            raise DamagedModel("bad_evaluation", f"{_short(path)} is not JSON", PUBLISH_AGAIN) from error


class ModelStore:
    """A folder of published models, read from disk at each call."""

    def __init__(self, root: Path) -> None:
        """`root` holds one folder per model name."""
        self.root = root

    def versions(self, name: str) -> list[int]:
        """Return the published versions, the oldest first."""
        folder = self.root / name
        if not folder.is_dir():
            return []
        numbered = [entry for entry in folder.iterdir() if entry.name.isdecimal() and entry.name[0] != "0"]
        return sorted(int(entry.name) for entry in numbered if (entry / MANIFEST_FILE).is_file())

    def manifest(self, name: str, version: int) -> ModelManifest:
        """Return a version's manifest; raise `ModelNotFound` or `DamagedModel`."""
        path = self._folder(name, version) / MANIFEST_FILE
        try:
            manifest = ModelManifest.model_validate_json(_read(path))
        except ValidationError as error:
            raise DamagedModel("bad_manifest", f"{_short(path)}: {error}", PUBLISH_AGAIN) from error
        if (manifest.name, manifest.version) != (name, version):
            found = f"{manifest.name} version {manifest.version}"
            raise DamagedModel("bad_manifest", f"{_short(path)} describes {found}", PUBLISH_AGAIN)
        return manifest

    def resolve(self, name: str, version: int | None = None) -> StoredModel:
        """Return a version, the newest by default, every file of it read once and checked against its hash."""
        manifest = self.manifest(name, self._newest(name) if version is None else version)
        folder = self._folder(name, manifest.version)
        levels = _read_levels(folder, manifest.levels)
        lower = manifest.lower_precisions
        others: dict[str, tuple[bytes, ...]] = {part.precision: _read_levels(folder, part.levels) for part in lower}
        selftest = _read_verified(folder / manifest.selftest.file, manifest.selftest.sha256)
        return StoredModel(manifest, levels, selftest, folder, others)

    def _newest(self, name: str) -> int:
        versions = self.versions(name)
        if not versions:
            remedy = "publish a model, or set FETALHEAD_MODEL_STORE to the store that holds it"
            raise ModelNotFound("model_not_found", f"the model store holds no model named {name!r}", remedy)
        return versions[-1]

    def _folder(self, name: str, version: int) -> Path:
        if version not in self.versions(name):
            published = ", ".join(map(str, self.versions(name))) or "none"
            detail = f"the model store holds no version {version} of {name!r} (published: {published})"
            raise ModelNotFound("model_not_found", detail, "choose a published version")
        return self.root / name / str(version)


def _read_levels(folder: Path, levels: Iterable[NetworkFile]) -> tuple[bytes, ...]:
    return tuple(_read_verified(folder / level.file, level.sha256) for level in levels)


def _read_verified(path: Path, expected: str) -> bytes:
    content = _read(path)
    found = digest(content)
    if found != expected:
        raise DamagedModel("hash_mismatch", f"{_short(path)} has SHA-256 {found}, not {expected}", PUBLISH_AGAIN)
    return content


def _text(path: Path) -> str | None:
    """Return the text of an optional file, or None if there is none."""
    try:
        return _read(path).decode() if path.is_file() else None
    except UnicodeDecodeError as error:
        raise DamagedModel("file_unreadable", f"{_short(path)} is not text in UTF-8", PUBLISH_AGAIN) from error


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise DamagedModel("file_missing", f"{_short(path)} is missing", PUBLISH_AGAIN)
    if path.stat().st_size > LARGEST_FILE:
        raise DamagedModel("file_too_large", f"{_short(path)} is larger than {LARGEST_FILE} bytes", PUBLISH_AGAIN)
    try:
        return path.read_bytes()
    except OSError as error:
        raise DamagedModel("file_unreadable", f"{_short(path)}: {error.strerror}", PUBLISH_AGAIN) from error


def _short(path: Path) -> str:
    """Return model, version and file; the location of the store is not disclosed."""
    return "/".join(path.parts[-3:])
