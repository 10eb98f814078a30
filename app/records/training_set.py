"""Export of reviewed measurements as a training set: the masks that readers chose, paired with volumes by SHA-256.

The service keeps no volumes, so a folder of them is searched. The layout is what `fetalhead-train fit --data` reads:
`images/CASE.nii.gz`, `labels/CASE.nii.gz`, and `cases.csv` with the origin of each case.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from app.files import digest_file
from app.records.reviews import DecidedCase, Reviews

GZIP_MAGIC: Final = b"\x1f\x8b"
SUFFIXES: Final = (".nii", ".nii.gz")
CHUNK: Final = 1 << 20
COMPRESSION: Final = 4


@dataclass(frozen=True)
class ExportedCase:
    """One line of `cases.csv`; `paired` says whether its volume was found."""

    case: str
    subject: str
    gestational_age_weeks: str
    decision: str
    head_volume_ml: str
    decided_at: str
    model: str
    input_sha256: str
    paired: bool


def export_decisions(reviews: Reviews, out: Path, volumes: Path | None) -> Iterator[ExportedCase]:
    """Write each decided case and yield it when it is done; a volume that was measured twice is exported once.

    Where `volumes` is given, a case without its volume is only listed in `cases.csv`; without `volumes` the labels
    alone are written.
    """
    newest = {case.input_sha256: case for case in reviews.find_decided_cases()}
    found = {} if volumes is None else _volumes_by_sha256(volumes, set(newest))
    (out / "images").mkdir(parents=True, exist_ok=True)
    (out / "labels").mkdir(exist_ok=True)
    with (out / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [field.name for field in fields(ExportedCase)])
        table.writeheader()
        for case in newest.values():
            exported = _export(reviews, case, out, found, labels_alone=volumes is None)
            table.writerow(vars(exported))
            yield exported


def _export(
    reviews: Reviews, case: DecidedCase, out: Path, found: Mapping[str, Path], labels_alone: bool
) -> ExportedCase:
    name = _name(case)
    volume = found.get(case.input_sha256)
    if volume is not None:
        (out / "images" / f"{name}.nii.gz").write_bytes(_gzip(volume.read_bytes()))
    if volume is not None or labels_alone:
        (out / "labels" / f"{name}.nii.gz").write_bytes(reviews.read_mask(case))
    decision, weeks, volume_ml = case.decision, case.gestational_age_weeks, case.decision.head_volume_ml
    return ExportedCase(
        case=name,
        subject=case.subject or "",
        gestational_age_weeks="" if weeks is None else f"{weeks:g}",
        decision=decision.decision,
        head_volume_ml="" if volume_ml is None else f"{volume_ml:.2f}",
        decided_at=decision.at.isoformat(),
        model=case.model,
        input_sha256=case.input_sha256,
        paired=volume is not None,
    )


def _name(case: DecidedCase) -> str:
    """Return `SUBJECT_ID`, or `ID`: training takes the part before the last underscore as the patient."""
    number = case.segmentation_id[:13]
    return number if case.subject is None else f"{case.subject}_{number}"


def _volumes_by_sha256(folder: Path, wanted: set[str]) -> dict[str, Path]:
    files = sorted(path for path in folder.rglob("*") if path.name.endswith(SUFFIXES) and path.is_file())
    hashed = ((digest_file(path), path) for path in files)
    return {digest: path for digest, path in hashed if digest in wanted}


def _gzip(content: bytes) -> bytes:
    return content if content[:2] == GZIP_MAGIC else gzip.compress(content, COMPRESSION, mtime=0)
