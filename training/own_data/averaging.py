"""Between a published model and what a few volumes made of it: how much of the change to keep.

Trained on eight volumes, most scans of the same kind are outlined better and a few, in which the head is hard to find,
much worse. Weights in between keep most of the one and avoid most of the other (Wortsman et al., Robust fine-tuning of
zero-shot models, CVPR 2022). How far to go is asked of the validation volumes, by DSC on their own grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from app.imaging.metrics import dsc
from training.evaluation.torch_segmenter import DEFAULT_THRESHOLD, TorchSegmenter
from training.export.rules import KeptChange, keep_change
from training.fitting.cascade import load_levels
from training.fitting.checkpoint import LevelWeights, save_level
from training.fitting.run_folder import RunFolder
from training.own_data.folder import OwnCase, read_labelled

SHARES = (0.25, 0.5, 0.75, 1.0)
ShownCases = Callable[[Iterable[OwnCase], int, str], Iterable[OwnCase]]
"""The cases, with their number and a title, as progress is shown of them."""


@dataclass(frozen=True)
class Beginning:
    """What was trained on: its levels, and the threshold that it is served with."""

    levels: tuple[LevelWeights, ...]
    threshold: float

    def move_towards(self, tuned: Sequence[LevelWeights], share: float) -> tuple[LevelWeights, ...]:
        """Return the levels so far on the straight line to the tuned ones: 0 these, 1 those."""
        pairs = zip(self.levels, tuned, strict=True)
        return tuple(replace(level, state=_interpolate(begun.state, level.state, share)) for begun, level in pairs)

    def threshold_at(self, share: float) -> float:
        """Return the threshold for a share: training draws it back to 0.5, the more, the more of it is kept."""
        return round(self.threshold + share * (DEFAULT_THRESHOLD - self.threshold), 4)


def average_run(run: RunFolder, beginning: Beginning, cases: Sequence[OwnCase], shown: ShownCases) -> KeptChange:
    """Replace the weights of a finished run by those of the share that is best on the cases; return what was measured.

    Without cases all of the change is kept. The run's checkpoints stay as they are: trained on, it is averaged anew.
    """
    tuned = load_levels(run)
    found = score_shares(beginning, tuned, cases, shown) if cases else {}
    share = max(SHARES, key=lambda one: found[one]) if found else 1.0
    for level in beginning.move_towards(tuned, share):
        save_level(level, run.level(level.context_level).weights)
    kept = KeptChange(share=share, threshold=beginning.threshold_at(share), cases=len(cases), dsc=found)
    keep_change(kept, run)
    return kept


def score_shares(
    beginning: Beginning, tuned: Sequence[LevelWeights], cases: Sequence[OwnCase], shown: ShownCases
) -> dict[float, float]:
    """Return the mean DSC over the cases by share, 0 (the model as published) among them."""
    segmenters = {
        share: TorchSegmenter(beginning.move_towards(tuned, share), threshold=beginning.threshold_at(share))
        for share in (0.0, *SHARES)
    }
    scores: dict[float, list[float]] = {share: [] for share in segmenters}
    for case in shown(cases, len(cases), "how much to keep"):
        image, label = read_labelled(case)
        for share, segment in segmenters.items():
            scores[share].append(dsc(segment(image, None).mask, label.data))
    return {share: float(np.mean(values)) for share, values in scores.items()}


def _interpolate(
    begun: dict[str, torch.Tensor], tuned: dict[str, torch.Tensor], share: float
) -> dict[str, torch.Tensor]:
    return {
        name: torch.lerp(begun[name].to(value.dtype), value, share) if value.is_floating_point() else value
        for name, value in tuned.items()
    }
