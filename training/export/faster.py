"""Faster ways of serving a candidate, each tried on phantoms and written into its manifest only where it passes."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from app.imaging.preprocess import preprocess
from app.inference.errors import RuntimeUnavailable
from app.inference.manifest import (
    MANIFEST_FILE,
    ContextLevel,
    Focus,
    Locator,
    LowerPrecision,
    ModelManifest,
    PrecisionGate,
)
from app.inference.model_store import ModelStore, StoredModel
from app.inference.segmenter import HeadSegmenter
from app.inference.session import ProviderChoice, RuntimeSettings
from training.export.half import half_levels
from training.export.quantize import CAREFUL, quantized_levels
from training.export.speed_gate import LARGEST_DSC_LOSS, LIMITS, mean_loss, precision_gate, scores
from training.phantom import Phantom

LOCATOR_FILE = "locator.onnx"
OwnFiles = Literal["fp16", "int8"]
"""Precisions that need networks of their own."""
UNMEASURED = PrecisionGate(cases=1, dsc_mean=0, dsc_min=0, volume_change_percent_max=0)


@dataclass(frozen=True)
class Outcome:
    """What came of one try; the detail says on what."""

    what: str
    passed: bool
    detail: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.what}: {'passed' if self.passed else 'not served'} ({self.detail})"


@dataclass(frozen=True)
class Finder:
    """Level 1 of a cheap published model, to be tried as locator with these margins."""

    content: bytes
    origin: ModelManifest
    margins_mm: tuple[float, ...]

    def locator(self, margin_mm: float, cases: int) -> Locator:
        """The locator with one of the margins, its loss not measured yet."""
        level = self.origin.levels[0].model_copy(update={"file": LOCATOR_FILE})
        return Locator(
            network=level,
            origin=f"{self.origin.name} {self.origin.version}",
            preprocessing=self.origin.preprocessing,
            threshold=self.origin.postprocessing.threshold,
            margin_mm=margin_mm,
            cases=cases,
            dsc_loss=0,
        )


def finder_from(folder: Path, margins_mm: Sequence[float]) -> Finder:
    """Level 1 of the published model in a folder, such as model_store/fetal_head/5."""
    stored = _stored(folder)
    return Finder(stored.levels[0], stored.manifest, tuple(margins_mm))


def try_precisions(candidate: Path, cases: Iterable[Phantom], calibration: Sequence[Phantom]) -> Iterator[Outcome]:
    """Try bf16, fp16, then int8 from the fastest to the most careful; what passes its gate goes into the candidate."""
    cases, stored = list(cases), _stored(candidate)
    exact = HeadSegmenter(stored, RuntimeSettings(precision="fp32"))
    try:
        gate = precision_gate(exact, HeadSegmenter(stored, RuntimeSettings(precision="bf16")), cases)
    except RuntimeUnavailable as error:
        yield Outcome("bf16", False, error.detail)
    else:
        yield _judged(candidate, LowerPrecision(precision="bf16", gate=gate), "bf16", ())
    halved = half_levels(stored.levels)
    gate = precision_gate(exact, _with_levels(stored, "fp16", halved), cases)
    yield _judged(candidate, _lower("fp16", halved, gate), "fp16", halved)
    volumes = [preprocess(case.volume, stored.manifest.preprocessing).tensor for case in calibration]
    for what, spare_attention in CAREFUL.items():
        contents = quantized_levels(stored.levels, volumes, spare_attention, stored.manifest.first_grid)
        gate = precision_gate(exact, _with_levels(stored, "int8", contents), cases)
        outcome = _judged(candidate, _lower("int8", contents, gate), f"int8, {what}", contents)
        yield outcome
        if outcome.passed:
            return


def try_boxes(
    candidate: Path, cases: Iterable[Phantom], margins_mm: Sequence[float], finder: Finder | None = None
) -> Iterator[Outcome]:
    """Try boxes around the head, the smallest first: of later levels, then with a locator of level 1, too.

    What was written before is forgotten; the first of each that costs no accuracy against the whole volume at every
    level is written to the candidate.
    """
    cases = list(cases)
    _write(candidate, {"focus": None, "locator": None})
    (candidate / LOCATOR_FILE).unlink(missing_ok=True)
    whole = scores(HeadSegmenter(_stored(candidate)), cases)
    for margin_mm in sorted(margins_mm):
        focus = Focus(margin_mm=margin_mm, cases=len(cases), dsc_loss=0)
        lost = mean_loss(whole, scores(_with_boxes(_stored(candidate), focus=focus), cases))
        tried: dict[str, object] = {"focus": focus.model_copy(update={"dsc_loss": lost})}
        yield (outcome := _boxed(candidate, f"box with a margin of {margin_mm:g} mm", tried, lost, len(cases)))
        if outcome.passed:
            break
    if finder is None:
        return
    (candidate / LOCATOR_FILE).write_bytes(finder.content)
    for margin_mm in sorted(finder.margins_mm):
        locator = finder.locator(margin_mm, len(cases))
        stored = replace(_stored(candidate), locator=finder.content)
        lost = mean_loss(whole, scores(_with_boxes(stored, locator=locator), cases))
        tried = {"locator": locator.model_copy(update={"dsc_loss": lost})}
        yield (outcome := _boxed(candidate, f"located box with a margin of {margin_mm:g} mm", tried, lost, len(cases)))
        if outcome.passed:
            return
    (candidate / LOCATOR_FILE).unlink()


def _boxed(candidate: Path, what: str, tried: dict[str, object], lost: float, cases: int) -> Outcome:
    """Write a box to the candidate where it costs no more than it may."""
    passed = lost <= LARGEST_DSC_LOSS
    if passed:
        _write(candidate, tried)
    return Outcome(what, passed, f"{100 * lost:+.3f} DSC points lost on {cases} phantoms")


def _judged(candidate: Path, lower: LowerPrecision, what: str, contents: Sequence[bytes]) -> Outcome:
    """Write a precision and its files to the candidate where its gate is passed."""
    gate, limits = lower.gate, LIMITS[lower.precision]
    passed = limits.passed_by(gate)
    if passed:
        for level, content in zip(lower.levels, contents, strict=True):
            (candidate / level.file).write_bytes(content)
        before = _stored(candidate).manifest.lower_precisions
        kept = tuple(other for other in before if other.precision != lower.precision)
        _write(candidate, {"lower_precisions": (*kept, lower)})
    detail = (
        f"DSC against fp32 {gate.dsc_mean:.4f}, least {gate.dsc_min:.4f} (limit {limits.dsc}), volume changed by up to "
        f"{gate.volume_change_percent_max:.2f} % (limit {limits.volume_change_percent} %) on {gate.cases} phantoms"
    )
    return Outcome(what, passed, detail)


def _with_levels(stored: StoredModel, precision: OwnFiles, contents: tuple[bytes, ...]) -> HeadSegmenter:
    """The candidate as it would be served in a precision that has networks of its own.

    fp16 runs on the CPU provider, which rounds every tensor to half precision and adds up in single, as GPUs do.
    """
    lower = (_lower(precision, contents, UNMEASURED),)
    tried = stored.manifest.model_copy(update={"lower_precisions": lower})
    provider: ProviderChoice = "cpu" if precision == "fp16" else "auto"
    settings = RuntimeSettings(provider=provider, precision=precision)
    return HeadSegmenter(replace(stored, manifest=tried, others={precision: contents}), settings)


def _lower(precision: OwnFiles, contents: Sequence[bytes], gate: PrecisionGate) -> LowerPrecision:
    levels = tuple(
        ContextLevel(
            file=f"context_level_{number}.{precision}.onnx",
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
        )
        for number, content in enumerate(contents, start=1)
    )
    return LowerPrecision(precision=precision, levels=levels, gate=gate)


def _with_boxes(stored: StoredModel, **boxes: Focus | Locator) -> HeadSegmenter:
    return HeadSegmenter(replace(stored, manifest=stored.manifest.model_copy(update=boxes)))


def _stored(candidate: Path) -> StoredModel:
    return ModelStore(candidate.parent.parent).resolve(candidate.parent.name, int(candidate.name))


def _write(candidate: Path, update: dict[str, object]) -> None:
    """Change the candidate's manifest at once or not at all."""
    manifest = candidate / MANIFEST_FILE
    current = ModelManifest.model_validate_json(manifest.read_text(encoding="utf-8"))
    temporary = manifest.with_suffix(".tmp")
    temporary.write_text(current.model_copy(update=update).model_dump_json(indent=2) + "\n", encoding="utf-8")
    temporary.replace(manifest)
