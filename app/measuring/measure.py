"""From a file's bytes to a measurement: the volume is decoded and segmented, the report and its files are made."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

import numpy as np

from app.contract.findings import Flag
from app.contract.report import (
    DISAGREEMENT,
    MASK,
    PLANES,
    PREVIEW,
    PROBABILITY,
    Input,
    Measurement,
    Report,
    segmentation_path,
)
from app.contract.upload import DARK_ECHOES, FILL_AMBIGUOUS, FOREIGN_VALUES, Upload, VolumeFields
from app.contract.value import VERDICTS
from app.imaging.field_of_view import Cleaned, EchoRange, clean, find_echo_range
from app.imaging.formats.checks import DecodeLimits
from app.imaging.formats.file import VolumeFile
from app.imaging.formats.registry import decode_volume
from app.imaging.marks import has_marks
from app.imaging.nifti.file import encode_fractions, encode_nifti
from app.imaging.volume import Volume
from app.inference.manifest import ModelManifest
from app.inference.segmenter import HeadSegmenter, Segmentation
from app.measuring.loading import describe_model, describe_runtime
from app.pictures.preview import PreviewText, draw_outline, draw_planes, encode_png
from app.pictures.uncertainty import find_uncertainty

LEVELS_TO_COMPARE: Final = 2
MOST_FOREIGN: Final = 0.005
"""Share of a volume's voxels that may hold neither echoes nor a value outside the fan."""
MOST_DARKEST: Final = 0.075
"""Share of the echoes that may have the grey level next to black; more of them are tissues that were cut off."""


@dataclass(frozen=True)
class DecodedUpload:
    """An upload with its decoded file."""

    file: VolumeFile
    fields: VolumeFields
    sha256: str
    decode_s: float


@dataclass(frozen=True)
class Identity:
    """The identifier and time of a report; new ones by default."""

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))


def decode(upload: Upload, limits: DecodeLimits) -> DecodedUpload:
    """Read the file of an upload and clean its values, or raise an ImagingError."""
    started = time.perf_counter()
    file = _clean(decode_volume(upload.payload, limits, spacing_mm=upload.fields.spacing_mm))
    return DecodedUpload(file, upload.fields, upload.sha256, time.perf_counter() - started)


def _clean(file: VolumeFile) -> VolumeFile:
    """Return the file with black outside the fan, and with a flag where that or the echoes are in doubt."""
    echoes = find_echo_range(file.volume.data)
    cleaned = clean(file.volume, echoes)
    return replace(file, volume=cleaned.volume, flags=(*file.flags, *_doubt_values(echoes, cleaned)))


def _doubt_values(echoes: EchoRange, cleaned: Cleaned) -> Iterator[Flag]:
    """Yield a flag where the fan's edge was guessed, where marks or averages were found, and a note on dark echoes."""
    if echoes.fill_like_echoes is not None:
        yield Flag(
            code=FILL_AMBIGUOUS,
            detail=f"outside the fan the volume holds the value {echoes.fill_like_echoes:g}, which echoes have, too; "
            "the fan's edge was guessed",
            remedy="export the scan with 0 outside the fan, or compare the outline with the image",
        )
    if cleaned.foreign > MOST_FOREIGN:
        yield Flag(
            code=FOREIGN_VALUES,
            detail=f"{100 * cleaned.foreign:.2g} % of the voxels hold values far from all echoes, as marks do, or "
            f"averages across the fan's edge; limit: at most {100 * MOST_FOREIGN:g} %",
            remedy="export the scan as it was recorded, with 0 outside the fan, or compare the outline with the image",
        )
    elif has_marks(cleaned.volume.data, echoes.low, (echoes.floor, *echoes.fills)):
        yield Flag(
            code=FOREIGN_VALUES,
            detail="the brightest value stands beside far darker echoes more often than echoes do, as marks do",
            remedy="export the scan without marks, or compare the outline with the image",
        )
    if echoes.share_cut_off > MOST_DARKEST:
        yield Flag(
            code=DARK_ECHOES,
            detail=f"{100 * echoes.share_cut_off:.2g} % of the echoes have the grey level next to black, so dark "
            "tissues cannot be told apart; another contrast curve could change the volume",
            remedy="export the scan with more gain or with less contrast",
        )


def measure(decoded: DecodedUpload, segmenter: HeadSegmenter) -> Measurement:
    """Measure an upload from beginning to end."""
    return finish(decoded, segmenter, segmenter.segment(decoded.file.volume, decoded.fields.gestational_age_weeks))


def finish(
    decoded: DecodedUpload, segmenter: HeadSegmenter, segmentation: Segmentation, identity: Identity | None = None
) -> Measurement:
    """Encode the mask, draw the preview and write the report."""
    segmentation = _judge_with_file(decoded.file, segmentation)
    started = time.perf_counter()
    text = _preview_text(segmentation, segmenter.manifest)
    rules = segmenter.manifest.postprocessing
    uncertainty = find_uncertainty(segmentation.level_probabilities, segmentation.preprocessed, rules.threshold)
    volume = decoded.file.volume
    planes = draw_planes(volume, segmentation.mask)
    files = {
        MASK: encode_nifti(segmentation.mask, decoded.file.header),
        PREVIEW: draw_outline(planes, volume.geometry, segmentation.mask, segmentation.mask, text, uncertainty),
        PLANES: encode_png(planes),
    }
    timings = {"decode": decoded.decode_s, **segmentation.timings_s, "encode": time.perf_counter() - started}
    timings.pop("total", None)
    timings["total"] = sum(timings.values())
    report = _write_report(decoded, segmenter, segmentation, timings, identity or Identity())
    return Measurement(report, {**files, **encode_layers(segmentation)})


def encode_layers(segmentation: Segmentation) -> dict[str, bytes]:
    """Return the probability and, given two context levels, their disagreement; as .nii.gz by file name."""
    levels, geometry = segmentation.level_probabilities, segmentation.preprocessed.geometry
    layers = {PROBABILITY: encode_fractions(Volume(levels[-1], geometry))}
    if len(levels) >= LEVELS_TO_COMPARE:
        difference = np.abs(levels[-1] - levels[-2])
        layers[DISAGREEMENT] = encode_fractions(Volume(difference, geometry))
    return layers


def _judge_with_file(file: VolumeFile, segmentation: Segmentation) -> Segmentation:
    """Add the file's flags to those of the measurement, first those that decided the verdict."""
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


def _write_report(
    decoded: DecodedUpload,
    segmenter: HeadSegmenter,
    segmentation: Segmentation,
    timings_s: dict[str, float],
    identity: Identity,
) -> Report:
    geometry, path = decoded.file.volume.geometry, segmentation_path(identity.id)
    return Report(
        id=identity.id,
        created_at=identity.created_at,
        subject=decoded.fields.subject,
        gestational_age_weeks=decoded.fields.gestational_age_weeks,
        verdict=segmentation.verdict,
        flags=segmentation.flags,
        head_volume_ml=segmentation.head_volume_ml,
        head_volume_interval_ml=segmentation.head_volume_interval_ml,
        quality=segmentation.quality,
        biometry=segmentation.biometry,
        pose=segmentation.pose,
        model=describe_model(segmenter.manifest),
        runtime=describe_runtime(segmenter),
        software_version=version("fetalhead"),
        timings_s=timings_s,
        input=Input(sha256=decoded.sha256, shape=geometry.shape, spacing_mm=geometry.spacing_mm),
        mask=f"{path}/mask",
        preview=f"{path}/preview.png",
    )
