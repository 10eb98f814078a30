"""From a decoded file to a stored measurement: the mask is encoded, the preview drawn, the report written."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from app.contract.report import (
    BiometryAnswer,
    FlagAnswer,
    InputAnswer,
    QualityAnswer,
    Report,
)
from app.contract.upload import Upload
from app.imaging.nifti.file import (
    DecodeLimits,
    NiftiFile,
    decode_nifti,
    encode_fractions,
    encode_nifti,
)
from app.imaging.quality import VERDICTS
from app.imaging.volume import Volume
from app.inference.manifest import ModelManifest
from app.inference.segmenter import HeadSegmenter, Segmentation
from app.measuring.loading import model_answer, runtime_answer
from app.pictures.preview import PreviewText, draw_preview
from app.pictures.uncertainty import find_uncertainty
from app.records.artifacts import DISAGREEMENT, MASK, PREVIEW, PROBABILITY
from app.records.segmentation import Measurement

VOLUME_DECIMALS = 2
TIME_DECIMALS = 4


@dataclass(frozen=True)
class Order:
    """One accepted segmentation."""

    id: str
    created_at: datetime
    file: NiftiFile
    input_sha256: str
    decode_s: float
    subject: str | None
    gestational_age_weeks: float | None


@dataclass(frozen=True)
class Outcome:
    """A finished segmentation, as it is answered and as it is stored."""

    report: Report
    measurement: Measurement


def decode(upload: Upload, limits: DecodeLimits) -> tuple[NiftiFile, float]:
    """The volume and the seconds it took; or an ImagingError."""
    started = time.perf_counter()
    file = decode_nifti(upload.payload, limits, spacing_mm=upload.fields.spacing_mm)
    return file, time.perf_counter() - started


def finish(order: Order, segmenter: HeadSegmenter, segmentation: Segmentation) -> Outcome:
    """Encodes the mask, draws the preview and writes the report."""
    segmentation = _judged_with_file(order.file, segmentation)
    started = time.perf_counter()
    mask = encode_nifti(segmentation.mask, order.file.header)
    text = _preview_text(segmentation, segmenter.manifest)
    rules = segmenter.manifest.postprocessing
    uncertainty = find_uncertainty(segmentation.level_probabilities, segmentation.preprocessed, rules.threshold)
    preview = draw_preview(order.file.volume, segmentation.mask, text, uncertainty)
    timings = {"decode": order.decode_s, **segmentation.timings_s, "encode": time.perf_counter() - started}
    timings.pop("total", None)
    report = _report(order, segmenter, segmentation, {**timings, "total": sum(timings.values())})
    stored = report.model_dump(mode="json")
    files = {MASK: mask, PREVIEW: preview, **encode_layers(segmentation)}
    return Outcome(report, Measurement(report.verdict, report.head_volume_ml, stored, files))


def _judged_with_file(file: NiftiFile, segmentation: Segmentation) -> Segmentation:
    """What the file makes doubtful added to what the measurement does; first comes what the verdict is owed to."""
    own, found = file.flags, segmentation.flags
    flags = (*found, *own) if segmentation.verdict == "reject" else (*own, *found)
    return replace(segmentation, verdict=max(file.verdict, segmentation.verdict, key=VERDICTS.index), flags=flags)


def _preview_text(segmentation: Segmentation, manifest: ModelManifest) -> PreviewText:
    return PreviewText(
        verdict=segmentation.verdict,
        head_volume_ml=segmentation.head_volume_ml,
        interval_ml=segmentation.head_volume_interval_ml,
        flags=tuple(flag.code for flag in segmentation.flags),
        model=f"{manifest.name} {manifest.version}",
    )


def _report(order: Order, segmenter: HeadSegmenter, segmentation: Segmentation, timings_s: dict[str, float]) -> Report:
    geometry = order.file.volume.geometry
    biometry = segmentation.biometry
    return Report(
        id=order.id,
        created_at=order.created_at,
        subject=order.subject,
        gestational_age_weeks=order.gestational_age_weeks,
        verdict=segmentation.verdict,
        flags=tuple(FlagAnswer(**flag.model_dump()) for flag in segmentation.flags),
        head_volume_ml=_rounded(segmentation.head_volume_ml),
        head_volume_interval_ml=_rounded_pair(segmentation.head_volume_interval_ml),
        quality=QualityAnswer(**segmentation.quality.model_dump()),
        biometry=None if biometry is None else BiometryAnswer(**biometry.model_dump()),
        model=model_answer(segmenter.manifest),
        runtime=runtime_answer(segmenter),
        timings_s={stage: round(seconds, TIME_DECIMALS) for stage, seconds in timings_s.items()},
        input=InputAnswer(sha256=order.input_sha256, shape=geometry.shape, spacing_mm=geometry.spacing_mm),
        mask=f"/segmentations/{order.id}/mask",
        preview=f"/segmentations/{order.id}/preview.png",
    )


def _rounded(volume_ml: float | None) -> float | None:
    return None if volume_ml is None else round(volume_ml, VOLUME_DECIMALS)


def _rounded_pair(interval_ml: tuple[float, float] | None) -> tuple[float, float] | None:
    if interval_ml is None:
        return None
    low, high = interval_ml
    return round(low, VOLUME_DECIMALS), round(high, VOLUME_DECIMALS)


LEVELS_TO_COMPARE = 2


def encode_layers(segmentation: Segmentation) -> dict[str, bytes]:
    """The probability and, where there are two context levels, how far they disagree; as .nii.gz by file name."""
    levels, geometry = segmentation.level_probabilities, segmentation.preprocessed.geometry
    layers = {PROBABILITY: encode_fractions(Volume(levels[-1], geometry))}
    if len(levels) >= LEVELS_TO_COMPARE:
        difference = np.abs(levels[-1] - levels[-2])
        layers[DISAGREEMENT] = encode_fractions(Volume(difference, geometry))
    return layers
