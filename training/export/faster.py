"""Faster ways of serving a candidate, each tried on phantoms and written into its manifest only where it passes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app.files import digest
from app.imaging.metrics import dsc
from app.imaging.regions import RegionSpec
from app.inference.errors import RuntimeUnavailable
from app.inference.manifest import LowerPrecision, NetworkFile, PrecisionGate, RegionGate, StoredLevel
from app.inference.model_store import StoredModel
from app.inference.runtime.session import RuntimeSettings
from app.inference.segmenter import HeadSegmenter
from training.export.candidate import load_candidate, update_manifest
from training.export.graph.precision import half_file
from training.phantom import Phantom

LARGEST_DSC_LOSS = 0.0005
"""Of the mean DSC, that looking at the head's boxes alone may cost: 0.05 points."""


LEAST_DSC, LARGEST_VOLUME_CHANGE_PERCENT = 0.999, 0.5
"""The limits of every case in a lower precision, against single precision."""
UNMEASURED = PrecisionGate(cases=1, dsc_mean=0, dsc_min=0, volume_change_percent_max=0)


@dataclass(frozen=True)
class Outcome:
    """What came of one try; the detail says on what."""

    what: str
    passed: bool
    detail: str

    def __str__(self) -> str:
        """Return one line for people."""
        return f"{self.what}: {'passed' if self.passed else 'not served'} ({self.detail})"


def try_precisions(candidate: Path, cases: Iterable[Phantom]) -> Iterator[Outcome]:
    """Try bf16, then fp16; what passes its gate goes into the candidate."""
    cases, stored = list(cases), load_candidate(candidate)
    exact = HeadSegmenter(stored, RuntimeSettings(precision="fp32"))
    try:
        gate = measure_precision(exact, HeadSegmenter(stored, RuntimeSettings(precision="bf16")), cases)
    except RuntimeUnavailable as error:
        yield Outcome("bf16", False, error.detail)
    else:
        yield _judge(candidate, LowerPrecision(precision="bf16", gate=gate))
    files = [candidate / half_file(number) for number in range(1, len(stored.levels) + 1)]
    if not all(file.is_file() for file in files):
        yield Outcome("fp16", False, f"there is no {files[-1]}; export the run again")
        return
    halves = tuple(file.read_bytes() for file in files)
    gate = measure_precision(exact, _load_in_half(stored, halves), cases)
    yield _judge(candidate, _describe_half(halves, gate))


def try_boxes(candidate: Path, cases: Iterable[Phantom], margins_mm: Sequence[float]) -> Iterator[Outcome]:
    """Try boxes around the head for the levels above the first, the smallest first.

    What was tried before is forgotten; the first box that costs no accuracy against the whole volume at every level is
    written to the candidate. Levels that learned from regions of their own keep those.
    """
    cases = list(cases)
    update_manifest(candidate, levels=_with_region(load_candidate(candidate), None))
    stored = load_candidate(candidate)
    if all(level.region for level in stored.manifest.levels[1:]):
        yield Outcome("box", False, "no level above the first sees the whole volume")
        return
    whole = score_phantoms(HeadSegmenter(stored), cases)
    threshold = stored.manifest.postprocessing.threshold
    for margin_mm in sorted(margins_mm):
        region = RegionSpec(margin_mm=margin_mm, threshold=threshold)
        tried = stored.manifest.model_copy(update={"levels": _with_region(stored, region)})
        lost = mean_loss(whole, score_phantoms(HeadSegmenter(replace(stored, manifest=tried)), cases))
        passed = lost <= LARGEST_DSC_LOSS
        if passed:
            gate = RegionGate(cases=len(cases), dsc_loss=lost)
            update_manifest(candidate, levels=_with_region(stored, region, gate))
        detail = f"{100 * lost:+.3f} DSC points lost on {len(cases)} phantoms"
        yield Outcome(f"box with a margin of {margin_mm:g} mm", passed, detail)
        if passed:
            return


def _with_region(
    stored: StoredModel, region: RegionSpec | None, gate: RegionGate | None = None
) -> tuple[StoredLevel, ...]:
    """Return the levels, with this region in those above the first that learned from the whole volume."""
    first, *others = stored.manifest.levels
    update = {"region": region, "region_gate": gate}
    own = [level.region is not None and level.region_gate is None for level in others]
    return (first, *(level if has else level.model_copy(update=update) for level, has in zip(others, own, strict=True)))


def _judge(candidate: Path, lower: LowerPrecision) -> Outcome:
    """Write a precision to the candidate where its gate is passed."""
    gate = lower.gate
    passed = is_harmless(gate)
    if passed:
        before = load_candidate(candidate).manifest.lower_precisions
        kept = tuple(other for other in before if other.precision != lower.precision)
        update_manifest(candidate, lower_precisions=(*kept, lower))
    detail = (
        f"DSC against fp32 {gate.dsc_mean:.4f}, least {gate.dsc_min:.4f} (limit {LEAST_DSC}), volume changed by up to "
        f"{gate.volume_change_percent_max:.2f} % (limit {LARGEST_VOLUME_CHANGE_PERCENT} %) on {gate.cases} phantoms"
    )
    return Outcome(lower.precision, passed, detail)


def _load_in_half(stored: StoredModel, contents: tuple[bytes, ...]) -> HeadSegmenter:
    """Load the candidate as it would be served in fp16.

    It runs on the CPU provider, which rounds every tensor to half precision and adds up in single, as GPUs do.
    """
    tried = stored.manifest.model_copy(update={"lower_precisions": (_describe_half(contents, UNMEASURED),)})
    settings = RuntimeSettings(provider="cpu", precision="fp16")
    return HeadSegmenter(replace(stored, manifest=tried, others={"fp16": contents}), settings)


def _describe_half(contents: Sequence[bytes], gate: PrecisionGate) -> LowerPrecision:
    files = tuple(
        NetworkFile(file=half_file(number), sha256=digest(content), size=len(content))
        for number, content in enumerate(contents, start=1)
    )
    return LowerPrecision(precision="fp16", levels=files, gate=gate)


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
