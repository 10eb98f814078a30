"""May a faster way of running a model be served? Measured on phantoms against the careful way, and written down."""

from collections.abc import Iterable, Sequence

import numpy as np

from app.inference.manifest import PrecisionGate
from app.inference.segmenter import HeadSegmenter
from training.evaluation.metrics import dsc
from training.phantom import Phantom

LARGEST_DSC_LOSS = 0.0005
"""Of the mean DSC, that looking at the head's boxes alone may cost: 0.05 points."""


LEAST_DSC, LARGEST_VOLUME_CHANGE_PERCENT = 0.999, 0.5
"""The limits of every case in a lower precision, against single precision."""


def measure_precision(exact: HeadSegmenter, faster: HeadSegmenter, phantoms: Iterable[Phantom]) -> PrecisionGate:
    """Compare the masks of two precisions of one model; a case in which only one finds a head has a DSC of 0."""
    agreements, changes = [], []
    for phantom in phantoms:
        one, other = (segmenter.segment(phantom.volume) for segmenter in (exact, faster))
        agreements.append(dsc(other.mask, one.mask))
        change = abs(other.mask_volume_ml - one.mask_volume_ml) / max(one.mask_volume_ml, 1e-9)
        changes.append(min(100.0, 100 * change) if other.mask_volume_ml or one.mask_volume_ml else 0.0)
    return PrecisionGate(
        cases=len(agreements),
        dsc_mean=round(float(np.mean(agreements)), 5),
        dsc_min=round(min(agreements), 5),
        volume_change_percent_max=round(max(changes), 3),
    )


def is_harmless(gate: PrecisionGate) -> bool:
    """Return whether the worst case keeps within both limits."""
    return gate.dsc_min >= LEAST_DSC and gate.volume_change_percent_max <= LARGEST_VOLUME_CHANGE_PERCENT


def score_phantoms(segmenter: HeadSegmenter, phantoms: Iterable[Phantom]) -> list[float]:
    """Return the DSC of each phantom's mask against the truth."""
    return [dsc(segmenter.segment(phantom.volume).mask, phantom.truth.data) for phantom in phantoms]


def mean_loss(before: Sequence[float], after: Sequence[float]) -> float:
    """Return the mean DSC that is lost (below 0: gained)."""
    return round(float(np.mean(before) - np.mean(after)), 5)
