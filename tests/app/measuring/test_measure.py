"""From the bytes of a file to its measurement, without a service and without records."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from app.contract.report import DISAGREEMENT, MASK, PLANES, PREVIEW, PROBABILITY
from app.contract.upload import SPACING_SUPPLIED, Upload, VolumeFields
from app.imaging.errors import ImagingError
from app.imaging.formats.checks import DecodeLimits
from app.inference.segmenter import HeadSegmenter
from app.measuring.loading import load_segmenter
from app.measuring.measure import Identity, decode, finish, measure
from app.settings import Settings
from tests.helpers.makers import NiftiOptions, nifti_bytes, sphere_ml, sphere_volume, volume_bytes

LIMITS = DecodeLimits()


@pytest.fixture(scope="module")
def segmenter(model_store: Path) -> HeadSegmenter:
    return load_segmenter(Settings(model_store=model_store, provider="cpu", threads=1))


def test_a_file_gives_a_report_a_mask_a_picture_and_the_layers(segmenter: HeadSegmenter) -> None:
    upload = Upload(volume_bytes(sphere_volume()), VolumeFields(gestational_age_weeks=26.0, subject="S-1"))
    found = measure(decode(upload, LIMITS), segmenter)
    report = found.report
    assert report.head_volume_ml == pytest.approx(sphere_ml(), rel=0.01)
    assert (report.verdict, report.subject, report.gestational_age_weeks) == ("ok", "S-1", 26.0)
    assert (report.input.sha256, report.input.shape) == (upload.sha256, (64, 56, 60))
    assert (report.model.name, report.model.version) == ("fetal_head", 1)
    assert report.timings_s["total"] == pytest.approx(sum(report.timings_s.values()) / 2, abs=0.01)
    assert set(found.files) == {MASK, PREVIEW, PLANES, PROBABILITY, DISAGREEMENT}
    mask = nib.Nifti1Image.from_bytes(gzip.decompress(found.files[MASK]))
    assert np.asarray(mask.dataobj).sum() * 8 / 1000 == pytest.approx(report.head_volume_ml, abs=0.01)


def test_a_report_is_found_by_what_was_announced(segmenter: HeadSegmenter) -> None:
    decoded = decode(Upload(volume_bytes(sphere_volume()), VolumeFields()), LIMITS)
    segmentation = segmenter.segment(decoded.file.volume)
    announced = Identity("00000000-0000-4000-8000-000000000001", datetime(2026, 3, 14, tzinfo=UTC))
    report = finish(decoded, segmenter, segmentation, announced).report
    assert (report.id, report.created_at) == (announced.id, announced.created_at)
    assert announced.id in report.mask
    others = [finish(decoded, segmenter, segmentation).report.id for _ in range(2)]
    assert len({announced.id, *others}) == 3


@pytest.mark.parametrize(("radius_mm", "verdict", "place"), [(23.0, "review", 0), (20.0, "reject", -1)])
def test_first_comes_what_the_verdict_is_owed_to(
    radius_mm: float, verdict: str, place: int, segmenter: HeadSegmenter
) -> None:
    """The file is doubtful, its head is small: what the file makes doubtful comes first, unless the head is refused."""
    bare = NiftiOptions(sform_code=0, qform_code=0, edits={"pixdim": [0.0] * 8})
    fields = VolumeFields(spacing_mm=(2.0, 2.0, 2.0))
    report = measure(decode(Upload(volume_bytes(sphere_volume(radius_mm), bare), fields), LIMITS), segmenter).report
    codes = [flag.code for flag in report.flags]
    assert report.verdict == verdict
    assert len(codes) > 1
    assert codes[place] == SPACING_SUPPLIED


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"no volume at all", "not_nifti"), (nifti_bytes(np.zeros((4, 4, 4), np.uint8)), "too_small")],
)
def test_a_file_that_cannot_be_measured_is_refused_before_anything_is_computed(payload: bytes, code: str) -> None:
    with pytest.raises(ImagingError) as caught:
        decode(Upload(payload, VolumeFields()), LIMITS)
    assert caught.value.code == code
