"""Segmentation with the trained network, between the service's own steps, for runs that are not exported yet."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from app.imaging.arrays import Float32
from app.imaging.levels import run_levels
from app.imaging.postprocess import PostprocessingSpec, head_volume_ml, segment_mask
from app.imaging.preprocess import Preprocessed, preprocess
from app.imaging.quality import QualitySpec, assess
from app.imaging.reliability import measure_reliability
from app.imaging.volume import Volume
from training.cases.views import run_in_view
from training.evaluation.cases import SegmenterResult
from training.fitting.cascade import build_cascade, load_levels
from training.fitting.checkpoint import LevelWeights
from training.fitting.run_folder import RunFolder
from training.networks.cascade import on_arrays

DEFAULT_THRESHOLD = PostprocessingSpec().threshold


class TorchSegmenter:
    """All levels of a trained model as a function (volume, age in weeks) -> result, a `cases.Segment`."""

    def __init__(
        self, levels: Sequence[LevelWeights], device: torch.device | None = None, threshold: float = DEFAULT_THRESHOLD
    ) -> None:
        """Use levels in order, and the service's default rules except for the threshold."""
        self.config = levels[0].config
        self.device = device or torch.device("cpu")
        self.cascade = build_cascade(levels).to(self.device)
        self.rules = PostprocessingSpec(threshold=threshold)

    @classmethod
    def of_run(cls, run: RunFolder, device: torch.device | None = None) -> TorchSegmenter:
        """Load every level of a finished run; raise CheckpointError where one is missing."""
        return cls(load_levels(run), device)

    def __call__(self, volume: Volume, gestational_age_weeks: float | None) -> SegmenterResult:
        """Segment one volume on its own grid."""
        prepared, levels = self.probabilities(volume)
        found = segment_mask(levels[-1], prepared, volume.geometry, self.rules)
        numbers = measure_reliability(levels, prepared, self.rules)
        volume_ml = head_volume_ml(found.head, volume.geometry)
        judged = assess(numbers, volume_ml, QualitySpec(), gestational_age_weeks)
        codes = tuple(flag.code for flag in judged.flags)
        return SegmenterResult(found.mask, judged.verdict, codes, numbers.model_dump())

    def probabilities(self, volume: Volume) -> tuple[Preprocessed, tuple[Float32, ...]]:
        """Return the network's input and each level's probability, float32 (I, J, K)."""
        prepared = preprocess(volume, self.config.preprocessing)
        runs = [on_arrays(run_in_view(level.probability, self.config.network), self.device) for level in self.cascade]
        served = self.config.preprocessing
        return prepared, tuple(run_levels(self.config.level, runs, prepared.tensor[0, 0], served))
