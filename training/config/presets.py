"""Presets: TOML files that become a training configuration, each with what differs from the one that it extends."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from training.config.training import ConfigError, TrainingConfig


def load_config(preset: str | Path) -> TrainingConfig:
    """Read a preset by name (smoke, cpu, paper) or by the path of a TOML file; ConfigError when it cannot be used.

    A preset may say `extends = "release"`, or the path of another file from its own folder on: it then holds only what
    differs. Tables are merged, lists and values take the place of the other's. A name is never taken over.
    """
    try:
        return TrainingConfig.model_validate(_read_content(_find_preset(preset, Path()), ()))
    except ValidationError as error:
        raise ConfigError(f"preset {preset} cannot be used: {error}") from error


def list_presets() -> list[str]:
    """Return the names of the presets that come with the package."""
    return sorted(path.stem for path in _presets().glob("*.toml"))


def _read_content(file: Path, children: tuple[Path, ...]) -> dict[str, object]:
    """Read a preset, laid over what it extends; `children` are those that extend it."""
    if file in children:
        circle = " -> ".join(path.name for path in (*children[children.index(file) :], file))
        raise ConfigError(f"presets must not extend each other in a circle, got {circle}")
    try:
        own: dict[str, object] = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"preset {file} cannot be used: {error}") from error
    parent = own.pop("extends", None)
    if parent is None:
        return own
    if not isinstance(parent, str):
        raise ConfigError(f"extends in {file} must be the name or the path of one preset, got {parent!r}")
    below = _read_content(_find_preset(parent, file.parent), (*children, file))
    return _merge_extended({key: value for key, value in below.items() if key != "name"}, own)


def _merge_extended(below: dict[str, object], own: dict[str, object]) -> dict[str, object]:
    """Merge both tables; of a key in both, the own value counts, unless both are tables."""
    both = below | own
    for key, value in own.items():
        if isinstance(value, dict) and isinstance(known := below.get(key), dict):
            both[key] = _merge_extended(known, value)
    return both


def _find_preset(preset: str | Path, folder: Path) -> Path:
    """Return the file of a preset by its name, or by its path from a folder on; ConfigError where there is none."""
    if Path(preset).suffix == ".toml":
        file = (folder / preset).resolve()
        expected = "an existing .toml file"
    else:
        file = _presets() / f"{preset}.toml"
        expected = f"one of {', '.join(list_presets())} or a path to a .toml"
    if not file.is_file():
        raise ConfigError(f"no preset {str(preset)!r}; expected {expected}")
    return file


def _presets() -> Path:
    return Path(str(resources.files("training"))).resolve() / "presets"
