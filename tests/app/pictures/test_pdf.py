import gzip
import subprocess
from pathlib import Path

import numpy as np
from nibabel.nifti1 import Nifti1Image

from app.contract.findings import Flag
from app.contract.report import Report
from app.pictures.pdf import draw_report
from app.pictures.preview import draw_preview
from tests.app.pictures.drawing import MASK, TEXT, VOLUME
from tests.helpers.pdf import text_of
from tests.helpers.system_packages import require

REPORT = Report.model_validate(
    {
        "id": "c27d55be-0547-498b-b93e-2c8d177fc20c",
        "created_at": "2026-01-02T03:04:05Z",
        "subject": "S-017",
        "gestational_age_weeks": 26.4,
        "verdict": "review",
        "flags": [{"code": "soft_outline", "detail": "a<b&c", "remedy": "look at it"}],
        "head_volume_ml": 236.4,
        "head_volume_interval_ml": [227.9, 244.9],
        "quality": {
            "context_agreement_dsc": 0.987,
            "foreground_entropy": None,
            "components": 1,
            "fov_contact_fraction": 0.0,
        },
        "biometry": None,
        "model": {"name": "fetal_head", "version": 3, "sha256": ["0" * 64, "1" * 64]},
        "runtime": {"provider": "CPUExecutionProvider", "precision": "fp32"},
        "timings_s": {"total": 12.3},
        "input": {"sha256": "a" * 64, "shape": [388, 258, 440], "spacing_mm": [0.38, 0.38, 0.38]},
        "mask": "m",
        "preview": "p",
    }
)


def draw(report: Report = REPORT, mask: np.ndarray = MASK) -> bytes:
    mask_file = gzip.compress(Nifti1Image(mask, VOLUME.geometry.affine).to_bytes())
    return draw_report(report, mask_file, draw_preview(VOLUME, mask, TEXT))


def test_the_page_says_all() -> None:
    text = text_of(draw())
    for expected in (
        "236.4 mL",
        "(95 %: 228 to 245 mL)",
        "review",
        "subject S-017",
        "26.4 weeks",
        "soft outline",
        "a<b&c",
        "look at it",
        "fetal_head 3",
        "DSC 0.987",
        "not measured",
        "388 x 258 x 440",
        "Research use only",
    ):
        assert expected in text


def test_a_rejected_measurement_has_no_volume() -> None:
    rejected = REPORT.model_copy(update={"verdict": "reject", "head_volume_ml": None, "head_volume_interval_ml": None})
    text = text_of(draw(rejected, np.zeros_like(MASK)))
    assert "no volume" in text
    assert "the mask is empty" in text
    assert "236" not in text


def test_many_flags_still_make_one_page() -> None:
    flag = Flag(code="some_reason_for_doubt", detail="what was found " * 8, remedy="what to do about it " * 8)
    assert text_of(draw(REPORT.model_copy(update={"flags": (flag,) * 14}))).count("some reason") == 14


def test_the_same_content_gives_the_same_bytes() -> None:
    assert draw() == draw()


def test_the_file_is_a_picture_of_one_page(tmp_path: Path) -> None:
    (tmp_path / "page.pdf").write_bytes(draw())
    program = require("pdftoppm", package="poppler-utils")
    subprocess.run([program, "-r", "30", "-png", tmp_path / "page.pdf", tmp_path / "page"], check=True)
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".png", ".pdf"]
