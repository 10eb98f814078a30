"""The manifest of a candidate, which changes at once or not at all."""

from pathlib import Path

from app.files import write_atomically
from app.inference.manifest import MANIFEST_FILE, ModelManifest


def read_manifest(candidate: Path) -> ModelManifest:
    """Return the manifest of a candidate's folder."""
    return ModelManifest.model_validate_json((candidate / MANIFEST_FILE).read_bytes())


def write_manifest(candidate: Path, manifest: ModelManifest) -> None:
    """Put a manifest in the place of the candidate's own."""
    write_atomically(candidate / MANIFEST_FILE, manifest.model_dump_json(indent=2) + "\n")
