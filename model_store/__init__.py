"""The published models, as package data: ``<name>/<n>/`` beside this file, n = 1, 2, 3 ..."""

from pathlib import Path


def packaged_store() -> Path:
    """Return the folder of the models that came with this installation, or with this checkout."""
    return Path(__file__).resolve().parent
