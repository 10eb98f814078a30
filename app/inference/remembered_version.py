"""The version activated last, kept in a small file in the data folder so that a restart serves it again."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from app.contract.value import Value
from app.files import write_atomically
from app.inference.errors import DamagedModel
from app.inference.manifest import ModelName

FILE = "active_model.json"


class _Activation(Value):
    name: ModelName
    version: int = Field(ge=1)


def remember_version(data: Path, name: str, version: int) -> None:
    """Write the file atomically; raise OSError if the folder cannot be written."""
    content = _Activation(name=name, version=version).model_dump_json()
    data.mkdir(parents=True, exist_ok=True)
    write_atomically(data / FILE, content)


def remembered_version(data: Path, name: str) -> int | None:
    """Return the version of this model that was activated last, or None; raise `DamagedModel`."""
    path = data / FILE
    if not path.is_file():
        return None
    try:
        activation = _Activation.model_validate_json(path.read_bytes())
    except ValidationError as error:
        remedy = "delete it to serve the newest version, or activate a version again"
        raise DamagedModel("bad_activation", f"{FILE} in FETALHEAD_DATA_DIR is damaged", remedy) from error
    return activation.version if activation.name == name else None
