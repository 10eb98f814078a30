"""The trained weights beside a published model, so that it can be trained on; half precision, nothing is unpickled.

The graphs do not hold them: export composes convolutions, which cannot be undone. Models that were published before
weights were kept have graphs with the trained values under their own names.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from app.inference.manifest import ModelManifest
from app.inference.model_store import ModelStore, StoredModel
from training.config.presets import load_config
from training.config.training import TrainingConfig
from training.export.errors import ExportError
from training.fitting.cascade import load_levels
from training.fitting.checkpoint import LevelWeights
from training.fitting.run_folder import RunFolder
from training.fitting.state import new_level

WEIGHTS_FILE = "weights.npz"
NOT_SERVED = ("head_half", "head_quarter")
"""Auxiliary heads are no part of a graph; trained on from a graph, they start anew."""
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
                states.setdefault(int(level), {})[name] = _to_tensor(stored[key])
    return tuple(_make_level(number, states[number], config) for number in sorted(states))


def load_weights(name: str, store: Path) -> tuple[LevelWeights, ...]:
    """Load the levels of a run's folder, or of a published model such as `fetal_head/7` or `fetal_head` (the newest).

    Raises ExportError where they were not kept.
    """
    if (run := find_run(name)) is not None:
        return load_levels(run)
    stored = find_model(name, store)
    path = stored.folder / WEIGHTS_FILE
    return unpack_weights(path.read_bytes()) if path.is_file() else _read_graphs(stored)


def find_run(name: str) -> RunFolder | None:
    """Return the run's folder that a name is; None where it is that of a published model."""
    run = RunFolder(Path(name))
    return run if run.is_trained else None


def find_model(name: str, store: Path) -> StoredModel:
    """Return the model of a store by a name such as `fetal_head/7` or `fetal_head` (the newest)."""
    model, _, version = name.partition("/")
    return ModelStore(store).resolve(model, int(version) if version.isdecimal() else None)


def _read_graphs(stored: StoredModel) -> tuple[LevelWeights, ...]:
    """Read the weights, which have their own names in graphs that were not composed."""
    manifest: ModelManifest = stored.manifest
    config = load_config(manifest.training.preset)
    levels = []
    for number, content in enumerate(stored.levels, start=1):
        values = {t.name: numpy_helper.to_array(t) for t in onnx.load_from_string(content).graph.initializer}
        state = new_level(config).state_dict()
        for name, parameter in state.items():
            if any(head in name for head in NOT_SERVED):
                continue
            found = values.get(f"level.{name}", values.get(f"level.{name}.half"))
            if found is None or found.size != parameter.numel():
                raise ExportError(
                    f"{manifest.name} {manifest.version} was published without its trained weights ({name}); "
                    "name the folder of its run instead"
                )
            state[name] = _to_tensor(found).reshape(parameter.shape)
        levels.append(_make_level(number, state, config))
    return tuple(levels)


def _to_tensor(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> torch.Tensor:
    halved = array.dtype == np.float16
    return torch.from_numpy(np.array(array, np.float32) if halved else np.array(array))


def _make_level(number: int, state: dict[str, torch.Tensor], config: TrainingConfig) -> LevelWeights:
    return LevelWeights(number, state, config, steps=0, spent_s=0.0, cases=0, validation_dsc=None)
