"""Checkpoints: everything that an exact continuation needs, and the finished weights of a level."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from app.files import write_atomically
from training.config.training import RuntimeConfig, TrainingConfig
from training.fitting.job import LevelJob
from training.fitting.state import Progress, TrainingState


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


def save_training(job: LevelJob, state: TrainingState) -> None:
    """Write what an exact continuation needs, and the level as it stands."""
    progress = state.progress
    content = {
        "config": job.config.model_dump_json(),
        "level": state.level.state_dict(),
        "average": state.averaged.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "torch_rng": torch.get_rng_state(),
        "numpy_rng": state.rng.bit_generator.state,
        "progress": {**progress.__dict__, "seen": sorted(progress.seen)},
    }
    _write(content, job.folder.checkpoint)
    weights = LevelWeights(
        context_level=job.context_level,
        state={name: value.cpu() for name, value in state.averaged.state_dict().items()},
        config=job.config,
        steps=progress.step,
        spent_s=progress.spent_s,
        cases=len(progress.seen),
        validation_dsc=progress.validation_dsc,
    )
    save_level(weights, job.folder.weights)


def resume_training(job: LevelJob, state: TrainingState) -> None:
    """Continue from the job's checkpoint; CheckpointError where there is none or it is of another preset."""
    content = _read(job.folder.checkpoint)
    if _drop_runtime(TrainingConfig.model_validate_json(content["config"])) != _drop_runtime(job.config):
        raise CheckpointError(
            f"the checkpoint in {job.folder.path} was made with another configuration; "
            "resume with the same preset or train into an empty folder"
        )
    state.level.load_state_dict(content["level"])
    state.averaged.load_state_dict(content["average"])
    state.optimiser.load_state_dict(content["optimiser"])
    torch.set_rng_state(content["torch_rng"])
    state.rng.bit_generator.state = content["numpy_rng"]
    state.progress = Progress(**{**content["progress"], "seen": set(content["progress"]["seen"])})


def save_level(weights: LevelWeights, path: Path) -> None:
    """Write the finished weights of one level."""
    _write({**weights.__dict__, "config": weights.config.model_dump_json()}, path)


def load_level(path: Path) -> LevelWeights:
    """Read the finished weights of one level; CheckpointError where they are not there."""
    content = _read(path)
    content["config"] = TrainingConfig.model_validate_json(content["config"])
    return LevelWeights(**content)


def _write(content: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getvalue())


def _read(path: Path) -> dict[str, Any]:
    """Read a file without running code from it."""
    if not path.is_file():
        raise CheckpointError(f"no checkpoint {path}; train this level first or name another run folder")
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content


def _drop_runtime(config: TrainingConfig) -> TrainingConfig:
    """Return a configuration without what may change between a run and its continuation: how the machine is used."""
    return config.model_copy(update={"runtime": RuntimeConfig()})
