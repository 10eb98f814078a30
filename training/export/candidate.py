"""A candidate in a run's store; its manifest changes at once or not at all."""

from pathlib import Path

from app.files import write_atomically
from app.inference.manifest import MANIFEST_FILE, ModelManifest
from app.inference.model_store import ModelStore, StoredModel


def load_candidate(candidate: Path) -> StoredModel:
    """Return the model in a candidate's folder."""
    return ModelStore(candidate.parent.parent).resolve(candidate.parent.name, int(candidate.name))


def read_manifest(candidate: Path) -> ModelManifest:
    """Return the manifest of a candidate's folder."""
    return ModelManifest.model_validate_json((candidate / MANIFEST_FILE).read_bytes())


def write_manifest(candidate: Path, manifest: ModelManifest) -> None:
    """Put a manifest in the place of the candidate's own."""
    write_atomically(candidate / MANIFEST_FILE, manifest.model_dump_json(indent=2) + "\n")


def record(candidate: Path, command: str) -> None:
    """Add a command to a candidate's manifest; an earlier one of the same name gives way."""
    training = read_manifest(candidate).training
    kept = [known for known in training.commands if known.split()[:2] != command.split()[:2]]
    update_manifest(candidate, training=training.model_copy(update={"commands": (*kept, command)}))


def update_manifest(candidate: Path, **changes: object) -> None:
    """Change fields of a candidate's manifest."""
    write_manifest(candidate, read_manifest(candidate).model_copy(update=changes))
