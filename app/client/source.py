"""What can be sent to be measured: a file on disk, its bytes, or an image that nibabel knows."""

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
    """A function that opens the volume for reading, as often as it is called. A file is not read into memory."""
    if isinstance(source, SpatialImage):
        return partial(io.BytesIO, _packed(source))
    if isinstance(source, bytes):
        return partial(io.BytesIO, source)
    return partial(_opened, Path(source))


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def _packed(image: SpatialImage) -> bytes:
    """The image as .nii.gz; a kind of image that is not NIfTI becomes NIfTI."""
    nifti: Any = image if isinstance(image, Nifti1Image) else Nifti1Image.from_image(image)
    content = cast(SerializableImage, nifti).to_bytes()
    return igzip.compress(content, compresslevel=FASTEST, mtime=0)
