"""What can be sent to be measured: a file on disk, its bytes, or an image that nibabel knows."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, cast

from isal import igzip
from nibabel.filebasedimages import SerializableImage
from nibabel.nifti1 import Nifti1Image
from nibabel.spatialimages import SpatialImage

Source = str | PathLike[str] | bytes | SpatialImage
FASTEST = 1


def opener(source: Source) -> Callable[[], BinaryIO]:
    """A function that opens the volume for reading, as often as it is called. A file is not read into memory."""
    if isinstance(source, SpatialImage):
        return partial(io.BytesIO, _packed(source))
    if isinstance(source, bytes):
        return partial(io.BytesIO, source)
    return partial(_opened, Path(source))


def form_fields(
    gestational_age_weeks: float | None, subject: str | None, spacing_mm: Sequence[float] | None
) -> dict[str, str]:
    """The form's text fields, without those that are not known."""
    fields = {
        "gestational_age_weeks": None if gestational_age_weeks is None else repr(float(gestational_age_weeks)),
        "subject": subject,
        "spacing_mm": None if spacing_mm is None else ",".join(repr(float(step)) for step in spacing_mm),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def _packed(image: SpatialImage) -> bytes:
    """The image as .nii.gz; a kind of image that is not NIfTI becomes NIfTI."""
    nifti: Any = image if isinstance(image, Nifti1Image) else Nifti1Image.from_image(image)
    content = cast(SerializableImage, nifti).to_bytes()
    return igzip.compress(content, compresslevel=FASTEST, mtime=0)
