"""The report of a measurement as a PDF of one page, from its stored files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any, Final

import numpy as np
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Image, KeepInFrame, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from app.contract.report import Report
from app.contract.value import COLOURS
from app.imaging.nifti.file import read_mask_file
from app.imaging.volume import VolumeGeometry
from app.pictures.preview import crop_to_planes
from app.pictures.reviewed import REJECTED, describe_review
from app.pictures.surface import draw_surface

MARGIN: Final = 16 * mm
WIDTH: Final = A4[0] - 2 * MARGIN
HEIGHT: Final = A4[1] - 2 * MARGIN
MEANINGS: Final = {
    "ok": "No check found a reason for doubt.",
    "review": "Some check found a reason for doubt: look at the mask before using the volume.",
    "reject": "The measurement failed a check; it carries no volume.",
}
PLANES_CAPTION: Final = (
    "Three orthogonal planes through the middle of the head, in the file's own index axes, at one scale. Where the "
    "outline is uncertain: dashed, the network is unsure; thick, the edge of the field of view; filled, the two levels "
    "disagree."
)
SURFACE_CAPTION: Final = "The measured surface from two sides."
NORMAL: Final = ParagraphStyle("normal", fontName="Helvetica", fontSize=9, leading=12)
SMALL: Final = ParagraphStyle("small", NORMAL, fontSize=7.5, leading=9.5, textColor=colors.HexColor("#555555"))
TITLE: Final = ParagraphStyle("title", NORMAL, fontName="Helvetica-Bold", fontSize=15, leading=19)
NUMBER: Final = ParagraphStyle("number", NORMAL, fontName="Helvetica-Bold", fontSize=22, leading=27)
HEADING: Final = ParagraphStyle("heading", NORMAL, fontName="Helvetica-Bold", fontSize=10, leading=14, spaceBefore=6)


def draw_report(report: Report, mask_file: bytes, preview_png: bytes) -> bytes:
    """Draw the planes of the preview, the surface of the mask (.nii.gz) and the report.

    It is always one page, shrunk if there are many flags; equal content gives equal bytes.
    """
    image = read_mask_file(mask_file)
    mask = np.asarray(image.dataobj, dtype=np.uint8)
    surface = draw_surface(mask, VolumeGeometry(mask.shape, image.affine))
    file = io.BytesIO()
    document = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=f"Fetal head volume, {report.id}",
        author="fetalhead",
        subject=report.notice,
        invariant=1,
    )
    padding = 12  # a frame keeps this free on each of two sides
    story = list(_lay_out(report, crop_to_planes(preview_png), surface))
    document.build([KeepInFrame(WIDTH - padding, HEIGHT - padding, story, mode="shrink")])
    return file.getvalue()


def _lay_out(report: Report, planes: bytes, surface: bytes | None) -> Iterator[Flowable]:
    yield Paragraph("Fetal head volume", TITLE)
    yield Paragraph(" &nbsp;|&nbsp; ".join(_describe_occasion(report)), SMALL)
    yield Spacer(0, 4)
    yield Paragraph(_describe_result(report), NUMBER)
    yield Paragraph(escape(_explain(report)), NORMAL)
    yield Spacer(0, 6)
    yield _make_picture(planes, WIDTH - 12)
    yield Paragraph(PLANES_CAPTION, SMALL)
    yield Spacer(0, 4)
    yield _place_side_by_side(
        _draw_surface(surface), [Paragraph("Numbers", HEADING), _make_table(_list_numbers(report), (37, 44))]
    )
    yield Paragraph("Reasons for doubt", HEADING)
    yield _draw_flags(report)
    yield Paragraph("Model", HEADING)
    yield _make_table(_list_model(report), (30, 142))
    yield Spacer(0, 8)
    yield _make_box(report.notice)


def _describe_occasion(report: Report) -> Iterator[str]:
    yield f"{report.created_at:%Y-%m-%d %H:%M} UTC"
    if report.subject is not None:
        yield f"subject {escape(report.subject)}"
    if report.gestational_age_weeks is not None:
        yield f"{report.gestational_age_weeks:.1f} weeks"
    yield f"segmentation {escape(report.id)}"


def _describe_result(report: Report) -> str:
    valid, decision = report.valid, report.review.decision if report.review else None
    if decision is not None and decision.decision == "reject":
        return f"<font color='{COLOURS['reject']}'>{REJECTED}</font> &nbsp; no volume"
    word = report.verdict if report.review is None else "not yet decided" if decision is None else "accepted"
    colour = COLOURS["ok" if decision is not None else report.verdict]
    verdict = f"<font color='{colour}'>{word}</font>"
    if valid.head_volume_ml is None:
        return f"no volume &nbsp; {verdict}"
    interval = valid.interval_ml
    between = "" if interval is None else f" <font size='11'>(95 %: {interval[0]:.0f} to {interval[1]:.0f} mL)</font>"
    return f"{valid.head_volume_ml:.1f} mL{between} &nbsp; {verdict}"


def _explain(report: Report) -> str:
    """Return what a reader made of the measurement, beside what the model measured; or what the verdict means."""
    if report.review is None:
        return MEANINGS[report.verdict]
    measured = "no volume" if report.head_volume_ml is None else f"{report.head_volume_ml:.1f} mL"
    review = describe_review(report.review)
    return f"{review[:1].upper()}{review[1:]}. The model measured {measured}, verdict {report.verdict}."


def _list_numbers(report: Report) -> Iterator[tuple[str, str]]:
    biometry, quality = report.valid.biometry, report.quality
    if biometry is not None:
        yield "Head circumference", _format(biometry.head_circumference_mm, "{:.0f} mm")
        yield "Biparietal diameter", _format(biometry.biparietal_diameter_mm, "{:.0f} mm")
        yield "Occipitofrontal diameter", _format(biometry.occipitofrontal_diameter_mm, "{:.0f} mm")
    yield "Agreement of the levels", _format(quality.context_agreement_dsc, "DSC {:.3f}")
    yield "Entropy near the head", _format(quality.foreground_entropy, "{:.2f} bit")
    yield "Surface cut off", _format(quality.fov_contact_fraction, "{:.1%}")
    yield "Pieces", str(quality.components)
    yield "Voxels", " x ".join(map(str, report.input.shape))
    yield "Spacing", " x ".join(f"{step:.2f}" for step in report.input.spacing_mm) + " mm"
    yield "File (SHA-256)", f"{report.input.sha256[:16]} ..."


def _list_model(report: Report) -> Iterator[tuple[str, str]]:
    yield "Version", f"{report.model.name} {report.model.version}"
    yield "Files (SHA-256)", ", ".join(f"{digest[:16]} ..." for digest in report.model.sha256)
    if report.software_version is not None:
        yield "Software", f"fetalhead {report.software_version}"
    yield "Ran on", f"{report.runtime.provider}, {report.runtime.precision}, {report.timings_s.get('total', 0):.1f} s"


def _draw_flags(report: Report) -> Flowable:
    if not report.flags:
        return Paragraph("None.", NORMAL)
    return _make_table(((flag.code.replace("_", " "), flag.detail, flag.remedy) for flag in report.flags), (36, 68, 68))


def _draw_surface(png: bytes | None) -> list[Flowable]:
    if png is None:
        return [Paragraph("There is no surface: the mask is empty, or too small to be seen.", NORMAL)]
    return [Paragraph("Surface", HEADING), _make_picture(png, 84 * mm), Paragraph(SURFACE_CAPTION, SMALL)]


def _place_side_by_side(left: list[Flowable], right: list[Flowable]) -> Table:
    table = Table([[left, right]], colWidths=[88 * mm, 84 * mm])
    table.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]))
    return table


def _make_table(rows: Iterable[Sequence[str]], widths_mm: Sequence[float]) -> Table:
    cells = [[Paragraph(escape(text), NORMAL) for text in row] for row in rows]
    table = Table(cells, colWidths=[width * mm for width in widths_mm])
    lines: list[Any] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.HexColor("#cccccc")),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
    ]
    table.setStyle(TableStyle(lines))
    table.hAlign = "LEFT"
    return table


def _make_box(text: str) -> Table:
    table = Table([[Paragraph(f"<b>{escape(text)}</b>", NORMAL)]], colWidths=[WIDTH - 12])
    table.setStyle(TableStyle([("BOX", (0, 0), (-1, -1), 0.75, colors.HexColor("#cf222e"))]))
    return table


def _make_picture(png: bytes, width: float) -> Image:
    picture = Image(io.BytesIO(png))
    picture.drawHeight, picture.drawWidth = picture.drawHeight * width / picture.drawWidth, width
    picture.hAlign = "LEFT"
    return picture


def _format(value: float | None, wording: str) -> str:
    return "not measured" if value is None else wording.format(value)
