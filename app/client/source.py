"""What can be measured: a file on disk, its bytes, or an image of nibabel."""

from __future__ import annotations

import io
from collections.abc import Callable
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
    """Return a function that opens the volume for reading, once per call. A file is not read into memory."""
    if isinstance(source, SpatialImage):
        return partial(io.BytesIO, _compress(source))
    if isinstance(source, bytes):
        return partial(io.BytesIO, source)
    return lambda: Path(source).open("rb")


def _compress(image: SpatialImage) -> bytes:
    """Return the image as .nii.gz; an image of another format is converted to NIfTI."""
    nifti: Any = image if isinstance(image, Nifti1Image) else Nifti1Image.from_image(image)
    content = cast(SerializableImage, nifti).to_bytes()
    return igzip.compress(content, compresslevel=FASTEST, mtime=0)
