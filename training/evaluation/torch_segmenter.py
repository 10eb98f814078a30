"""Segmentation with the trained network, between the service's own steps, for runs that are not exported yet."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from app.imaging.arrays import Float32
from app.imaging.postprocess import PostprocessingSpec, head_volume_ml, segment_mask
from app.imaging.preprocess import Preprocessed, preprocess
from app.imaging.quality import QualitySpec, assess
from app.imaging.reliability import measure_reliability
from app.imaging.volume import Volume
from app.inference.coarse import CoarserGrid
from training.cases.views import in_view
from training.config.training import RefinementConfig
from training.evaluation.cases import SegmenterResult
from training.fitting.cascade import finished_levels, load_context_level
from training.fitting.checkpoint import LevelWeights
from training.fitting.refinement import answer, box_around, refined
from training.networks.cascade import AutoContextCascade

DEFAULT_THRESHOLD = PostprocessingSpec().threshold


class TorchSegmenter:
    """All levels of a trained model as a function (volume, age in weeks) -> result, a `cases.Segment`."""

    def __init__(
        self, levels: Sequence[LevelWeights], device: torch.device | None = None, threshold: float = DEFAULT_THRESHOLD
    ) -> None:
        """Use levels in order, and the service's default rules except for the threshold."""
        self.config = levels[0].config
        self.device = device or torch.device("cpu")
        cascade = AutoContextCascade([load_context_level(level) for level in levels])
        self.cascade = cascade.requires_grad_(False).eval().to(self.device)
        self.rules = PostprocessingSpec(threshold=threshold)

    @classmethod
    def of_run(cls, run: Path, device: torch.device | None = None) -> TorchSegmenter:
        """Load every level of a finished run; raise CheckpointError where one is missing."""
        return cls(finished_levels(run), device)

    def __call__(self, volume: Volume, gestational_age_weeks: float | None) -> SegmenterResult:
        """Segment one volume on its own grid."""
        prepared, levels = self.probabilities(volume)
        found = segment_mask(levels[-1], prepared, volume.geometry, self.rules)
        numbers = measure_reliability(levels, prepared, self.rules)
        volume_ml = head_volume_ml(found.head, volume.geometry)
        judged = assess(numbers, volume_ml, QualitySpec(), gestational_age_weeks)
        codes = tuple(flag.code for flag in judged.flags)
        return SegmenterResult(found.mask, judged.verdict, codes, numbers.model_dump())

    @torch.inference_mode()
    def probabilities(self, volume: Volume) -> tuple[Preprocessed, tuple[Float32, ...]]:
        """Return the network's input and each level's probability, float32 (I, J, K)."""
        prepared = preprocess(volume, self.config.preprocessing)
        tensor = torch.from_numpy(prepared.tensor).to(self.device)
        if self.config.refinement is not None:
            return prepared, self._refined(prepared.tensor, self.config.refinement)
        context: torch.Tensor | None = None
        levels = []
        for level in self.cascade.levels:
            context = in_view(level.probability, self.config.network)(tensor, context)  # type: ignore[arg-type]
            levels.append(np.asarray(context[0, 0].cpu().numpy(), np.float32))
        return prepared, tuple(levels)

    def _refined(self, tensor: Float32, rules: RefinementConfig) -> tuple[Float32, ...]:
        """Level 1 on its coarse grid, level 2 in the head's box of the served one, both (I, J, K)."""
        first, second = self.cascade
        spec = self.config.preprocessing
        grid = CoarserGrid(spec.spacing_mm, self.config.first_grid)
        coarse = grid.answer(tensor, partial(answer, AutoContextCascade([first])))
        box = box_around(coarse, rules.margin_mm, spec.spacing_mm, spec.shape_divisor)
        volume, context = (torch.from_numpy(t).to(self.device) for t in (tensor, coarse[None, None]))
        fine: Float32 = refined(second, volume, context, box)[0, 0].cpu().numpy()
        return coarse, fine
