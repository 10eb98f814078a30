"""Export of reviewed measurements as a training set: the masks that readers chose, paired with volumes by SHA-256.

The service keeps no volumes, so a folder of them is searched. The layout is what `fetalhead-train fit --data` reads:
`images/CASE.nii.gz`, `labels/CASE.nii.gz`, and `cases.csv` with the origin of each case.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from app.contract.report import Report
from app.files import digest_file
from app.imaging.formats.endings import ENDINGS
from app.imaging.formats.registry import decode_volume, is_nifti
from app.imaging.nifti.file import encode_volume
from app.records.reviews import Reviews
from app.records.tables import DecisionRow, SegmentationRow

GZIP_MAGIC: Final = b"\x1f\x8b"
COMPRESSION: Final = 4


@dataclass(frozen=True)
class ExportedCase:
    """One line of `cases.csv`.

    `paired` says whether its volume was found, `outdated` whether the mask was replaced after the decision, which asks
    for a new one.
    """

    case: str
    subject: str
    gestational_age_weeks: str
    decision: str
    head_volume_ml: str
    decided_at: str
    model: str
    input_sha256: str
    paired: bool
    outdated: bool


def export_decisions(reviews: Reviews, out: Path, volumes: Path | None) -> Iterator[ExportedCase]:
    """Write each decided case and yield it when it is done; a volume that was measured twice is exported once.

    Where `volumes` is given, a case without its volume is only listed in `cases.csv`; without `volumes` the labels
    alone are written.
    """
    newest = {_find_input(row): (decision, row) for decision, row in reviews.find_decided()}
    reviewed = reviews.latest([row.id for _, row in newest.values()])
    found = {} if volumes is None else _volumes_by_sha256(volumes, set(newest))
    (out / "images").mkdir(parents=True, exist_ok=True)
    (out / "labels").mkdir(exist_ok=True)
    with (out / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [field.name for field in fields(ExportedCase)])
        table.writeheader()
        for sha256, (decision, row) in newest.items():
            exported = _describe(decision, row, sha256, sha256 in found, reviewed[row.id].is_outdated)
            if exported.paired:
                (out / "images" / f"{exported.case}.nii.gz").write_bytes(_as_nifti(found[sha256].read_bytes()))
            if exported.paired or volumes is None:
                (out / "labels" / f"{exported.case}.nii.gz").write_bytes(reviews.read_mask(decision))
            table.writerow(vars(exported))
            yield exported


def _describe(
    decision: DecisionRow, row: SegmentationRow, input_sha256: str, paired: bool, outdated: bool
) -> ExportedCase:
    weeks, volume_ml, number = row.gestational_age_weeks, decision.head_volume_ml, row.id[:13]
    return ExportedCase(
        case=number if row.subject is None else f"{row.subject}_{number}",  # the part before the last _ is the patient
        subject=row.subject or "",
        gestational_age_weeks="" if weeks is None else f"{weeks:g}",
        decision=decision.decision,
        head_volume_ml="" if volume_ml is None else f"{volume_ml:.2f}",
        decided_at=decision.at.isoformat(),
        model=f"{row.model_name}/{row.model_version}",
        input_sha256=input_sha256,
        paired=paired,
        outdated=outdated,
    )


def _find_input(row: SegmentationRow) -> str:
    return Report.model_validate(row.report, extra="ignore").input.sha256


def _volumes_by_sha256(folder: Path, wanted: set[str]) -> dict[str, Path]:
    files = sorted(path for path in folder.rglob("*") if path.name.lower().endswith(ENDINGS) and path.is_file())
    hashed = ((digest_file(path), path) for path in files)
    return {digest: path for digest, path in hashed if digest in wanted}


def _as_nifti(content: bytes) -> bytes:
    """Return the volume as .nii.gz: what is NIfTI as it is, so that nothing of its header is lost."""
    if not is_nifti(content):
        return encode_volume(decode_volume(content).volume)
    return content if content[:2] == GZIP_MAGIC else gzip.compress(content, COMPRESSION, mtime=0)
