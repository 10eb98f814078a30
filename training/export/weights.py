"""The trained weights beside a published model, so that it can be trained on; half precision, nothing is unpickled.

The graphs do not hold them: export composes convolutions, which cannot be undone.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from app.inference.model_store import ModelStore, StoredModel
from training.config.training import TrainingConfig
from training.export.errors import ExportError
from training.fitting.cascade import load_levels
from training.fitting.checkpoint import LevelWeights
from training.fitting.run_folder import RunFolder

WEIGHTS_FILE = "weights.npz"
KEPT_SINGLE = 64
"""Arrays up to this size (biases, scales) stay in single precision."""


def pack_weights(levels: Sequence[LevelWeights]) -> bytes:
    """Pack the levels' states, `<level>/<name>`, and the configuration as JSON."""
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {}
    for level in levels:
        for name, value in level.state.items():
            array = value.numpy()
            small = array.size <= KEPT_SINGLE or not np.issubdtype(array.dtype, np.floating)
            arrays[f"{level.context_level}/{name}"] = array if small else array.astype(np.float16)
    arrays["config"] = np.array(levels[0].config.model_dump_json())
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def unpack_weights(content: bytes) -> tuple[LevelWeights, ...]:
    """Read what `pack_weights` wrote."""
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        config = TrainingConfig.model_validate(json.loads(str(stored["config"])))
        states: dict[int, dict[str, torch.Tensor]] = {}
        for key in stored.files:
            if key != "config":
                level, _, name = key.partition("/")
                array = stored[key]
                single = array.astype(np.float32) if array.dtype == np.float16 else array
                states.setdefault(int(level), {})[name] = torch.from_numpy(single)
    return tuple(
        LevelWeights(number, states[number], config, steps=0, spent_s=0.0, cases=0, validation_dsc=None)
        for number in sorted(states)
    )


def load_weights(name: str, store: Path) -> tuple[LevelWeights, ...]:
    """Load the levels of a run's folder, or of a published model such as `fetal_head/8` or `fetal_head` (the newest).

    Raises ExportError where they were not kept.
    """
    if (run := find_run(name)) is not None:
        return load_levels(run)
    path = find_model(name, store).folder / WEIGHTS_FILE
    if not path.is_file():
        raise ExportError(f"{name} was published without its trained weights; name the folder of its run instead")
    return unpack_weights(path.read_bytes())


def find_run(name: str) -> RunFolder | None:
    """Return the run's folder that a name is; None where it is that of a published model."""
    run = RunFolder(Path(name))
    return run if run.is_trained else None


def find_model(name: str, store: Path) -> StoredModel:
    """Return the model of a store by a name such as `fetal_head/8` or `fetal_head` (the newest)."""
    model, _, version = name.partition("/")
    return ModelStore(store).resolve(model, int(version) if version.isdecimal() else None)
