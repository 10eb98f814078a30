"""The formats that are read, told apart by a file's first bytes, never by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.imaging.formats import endings
from app.imaging.formats.checks import DecodeLimits
from app.imaging.formats.dicom import decode_dicom, is_dicom
from app.imaging.formats.file import VolumeFile
from app.imaging.formats.kretz import BEGINNING as KRETZ_BEGINNING
from app.imaging.formats.kretz import decode_kretz
from app.imaging.formats.metaimage import BEGINNING as METAIMAGE_BEGINNING
from app.imaging.formats.metaimage import decode_metaimage
from app.imaging.formats.nrrd import MAGIC as NRRD_MAGIC
from app.imaging.formats.nrrd import decode_nrrd
from app.imaging.nifti.file import decode_nifti
from app.imaging.volume import Float3

BEGINNING_BYTES: Final = 132


@dataclass(frozen=True)
class Format:
    """A format: its name, the endings of its files' names, how a file begins, and its reader."""

    name: str
    endings: tuple[str, ...]
    begins: Callable[[bytes], bool]
    decode: Callable[[bytes, DecodeLimits, Float3 | None], VolumeFile]


NIFTI: Final = Format("NIfTI", endings.NIFTI, lambda _: True, decode_nifti)
FORMATS: Final = (
    Format("DICOM", endings.DICOM, is_dicom, decode_dicom),
    Format("NRRD", endings.NRRD, lambda begin: begin.startswith(NRRD_MAGIC), decode_nrrd),
    Format(
        "MetaImage", endings.METAIMAGE, lambda begin: METAIMAGE_BEGINNING.match(begin) is not None, decode_metaimage
    ),
    Format("Kretz", endings.KRETZ, lambda begin: begin.startswith(KRETZ_BEGINNING), decode_kretz),
    NIFTI,
)
"""In the order in which they are tried; NIfTI, the last, says what a file is that begins like none of them."""


def decode_volume(payload: bytes, limits: DecodeLimits | None = None, spacing_mm: Float3 | None = None) -> VolumeFile:
    """Return the volume in a file of any format that is read; raise an `ImagingError` that says what is wrong with it.

    `spacing_mm` is for files that have none of their own.
    """
    return _recognise(payload).decode(payload, limits or DecodeLimits(), spacing_mm)


def is_nifti(payload: bytes) -> bool:
    """Return whether a file is NIfTI, or of no format that is read."""
    return _recognise(payload) is NIFTI


def _recognise(payload: bytes) -> Format:
    return next(known for known in FORMATS if known.begins(payload[:BEGINNING_BYTES]))
