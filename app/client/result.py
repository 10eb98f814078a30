"""The result of a measurement: the mask as an image, the report and the preview; displayed in a notebook."""

from __future__ import annotations

import base64
import io
import zipfile
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path

from nibabel.nifti1 import Nifti1Image
from nibabel.nifti2 import Nifti2Image

from app.contract.report import EDITED_MASK, MASK, PREVIEW, REPORT, Report
from app.contract.value import COLOURS
from app.files import write_atomically
from app.imaging.nifti.file import read_mask_file


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """One measured head; `mask_file` and `preview_png` are the files as the service sent them.

    Where a reader decided, mask and text are of what counts now; the model's numbers stay in `report`.
    """

    report: Report
    mask_file: bytes
    preview_png: bytes

    @classmethod
    def from_zip(cls, archive: bytes) -> Result:
        """Return the result in an answer of the media type application/zip."""
        with zipfile.ZipFile(io.BytesIO(archive)) as files:
            report = Report.model_validate_json(files.read(REPORT), extra="ignore")
            mask = EDITED_MASK if report.valid.is_edited else MASK
            return cls(report, files.read(mask), files.read(PREVIEW))

    @cached_property
    def mask(self) -> Nifti1Image | Nifti2Image:
        """The mask on the upload's grid: 1 in the head, 0 elsewhere."""
        return read_mask_file(self.mask_file)

    def save(self, folder: str | Path) -> Path:
        """Write mask.nii.gz, report.json and preview.png into a folder, which is created if needed."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        write_atomically(target / MASK, self.mask_file)
        write_atomically(target / PREVIEW, self.preview_png)
        write_atomically(target / REPORT, self.report.model_dump_json(indent=2) + "\n")
        return target

    def __str__(self) -> str:
        """Return the volume with its interval, and the verdict or what a reader decided."""
        valid, review = self.report.valid, self.report.review
        word = self.report.verdict if review is None else review.outcome
        if valid.head_volume_ml is None:
            return f"no volume: {word}"
        interval = valid.interval_ml
        between = "" if interval is None else f" ({interval[0]:.0f} to {interval[1]:.0f})"
        return f"{valid.head_volume_ml:.1f} mL{between}, {word}"

    def __repr__(self) -> str:
        """Return the same in one line with the id; the files would fill screens."""
        return f"<Result {self.report.id}: {self}>"

    def _repr_png_(self) -> bytes:
        return self.preview_png

    def _repr_html_(self) -> str:
        picture = base64.b64encode(self.preview_png).decode()
        flags = "".join(
            f"<li><code>{escape(flag.code)}</code>: {escape(flag.detail)}; {escape(flag.remedy)}</li>"
            for flag in self.report.flags
        )
        model = f"{escape(self.report.model.name)} {self.report.model.version}"
        return (
            f"<div><p><strong style='color:{COLOURS[self.report.verdict]}'>{escape(str(self))}</strong></p>"
            f"<ul>{flags}</ul>"
            f"<img style='max-width:100%' alt='Three planes through the head: {escape(str(self))}' "
            f"src='data:image/png;base64,{picture}'>"
            f"<p><small>{model}. {escape(self.report.notice)}</small></p></div>"
        )
