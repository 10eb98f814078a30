"""Checkpoints: everything that an exact continuation needs, and the finished weights of a level."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from app.files import write_atomically
from training.config.training import TrainingConfig


class CheckpointError(Exception):
    """A checkpoint that cannot be used; the message names the file and the remedy."""


@dataclass(frozen=True)
class LevelWeights:
    """A finished context level: its averaged weights and the configuration that made them."""

    context_level: int
    state: dict[str, torch.Tensor]
    config: TrainingConfig
    steps: int
    spent_s: float
    cases: int
    validation_dsc: float | None


def save_atomically(content: dict[str, Any], path: Path) -> None:
    """Write a checkpoint; a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getvalue())


def save_level(weights: LevelWeights, path: Path) -> None:
    """Write the finished weights of one level."""
    save_atomically({**weights.__dict__, "config": weights.config.model_dump_json()}, path)


def load_level(path: Path) -> LevelWeights:
    """Read the finished weights of one level; CheckpointError when they are not there."""
    content = read(path)
    content["config"] = TrainingConfig.model_validate_json(content["config"])
    return LevelWeights(**content)


def read(path: Path) -> dict[str, Any]:
    """Read a file written by `save_atomically` without running code from it."""
    if not path.is_file():
        raise CheckpointError(f"no checkpoint {path}; train this level first or name another run folder")
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content
