"""The parts that an ablation leaves out: a look, a family of heads, or a kind of domain randomisation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from training.ablation.study import Ablation, Variant
from training.cases.sources import CaseSource, list_seeds
from training.config.data import DataConfig
from training.config.training import TrainingConfig
from training.phantom import SimulationRequest
from training.phantom.looks import TRAINING_LOOKS
from training.phantom.scene import TRAINING_FAMILIES

Kind = Literal["look", "family"]
KINDS: dict[Kind, tuple[str, tuple[str, ...]]] = {
    "look": ("exclude_looks", TRAINING_LOOKS),
    "family": ("exclude_families", TRAINING_FAMILIES),
}
"""For each kind, the setting of the data that excludes one, and the values that training cases have."""
RANDOMISATION: dict[str, Mapping[str, Any]] = {
    "everything": {"enabled": False},
    "poses and sizes": {
        "flip": False,
        "half_turns": False,
        "rotation_probability": 0.0,
        "scale": (1.0, 1.0),
        "anisotropy": 0.0,
        "translation_mm": 0.0,
    },
    "grey values": {
        "contrast_probability": 0.0,
        "gain_probability": 0.0,
        "blur_probability": 0.0,
        "noise_probability": 0.0,
        "speckle_probability": 0.0,
    },
    "shadows, gaps and crops": {
        "shadow_probability": 0.0,
        "erase_probability": 0.0,
        "crop_probability": 0.0,
        "close_crop_probability": 0.0,
        "band_probability": 0.0,
    },
    "painted volumes": {"synthesis_probability": 0.0},
}
"""For each kind of randomisation, the settings of the augmentation that are off without it."""
COHORTS = ("test", "shifted")
"""The cohorts of test scans that tell what randomisation is worth."""


def ablate_kind(
    config: TrainingConfig, kind: Kind, source: CaseSource, root: Path, test: Sequence[SimulationRequest]
) -> Ablation:
    """Leave out each look, or each family, and measure on test patients who all have it.

    Each run learns from as many patients as remain without the most frequent value, so that only the kind differs.
    """
    field, values = KINDS[kind]
    without = {value: config.data.model_copy(update={field: (value,)}) for value in values}
    left = [list_seeds(source, data) for data in without.values()]
    most = tuple(min(sum(seed in cases for seed in seeds) for seeds in left) for cases in config.data.train)

    def match(data: DataConfig) -> TrainingConfig:
        return config.model_copy(update={"data": data.model_copy(update={"cases_at_most": most})})

    variants = [Variant(value, match(data), (f"{kind}_{value}",)) for value, data in without.items()]
    scans = {f"{kind}_{value}": [_show(request, kind, value) for request in test] for value in values}
    return Ablation(root, match(config.data), variants, scans)


def ablate_randomisation(
    config: TrainingConfig, root: Path, scans: Mapping[str, Sequence[SimulationRequest]]
) -> Ablation:
    """Leave out each kind of domain randomisation, and measure on the scans of each of `COHORTS`.

    No training case has the look and family of a shifted one: what helps there is what another scanner will need.
    """
    without = {kind: config.augmentation.model_copy(update=dict(off)) for kind, off in RANDOMISATION.items()}
    variants = [
        Variant(kind, config.model_copy(update={"augmentation": augmentation}), COHORTS)
        for kind, augmentation in without.items()
    ]
    return Ablation(root, config, variants, scans)


def _show(request: SimulationRequest, kind: Kind, value: str) -> SimulationRequest:
    """Return the request for the same patient with this look, or this family of heads."""
    return replace(request, look=value) if kind == "look" else replace(request, family=value)
