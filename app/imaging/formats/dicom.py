"""DICOM Enhanced US Volume (PS3.3 A.59): one instance is one volume; pydicom parses, the geometry is read here.

Readers made for CT find a wrong spacing in these files: position and orientation stand in macros of their own. Only the
elements named here are parsed, none of which says who the patient is.
"""

from __future__ import annotations

import io
import logging
import math
import struct
import warnings
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import config, dcmread
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from app.contract.findings import Flag
from app.contract.upload import LOSSY_COMPRESSION
from app.imaging.errors import NotAVolumeFile, NotMeasurable, UnreadableFile
from app.imaging.formats.checks import DecodeLimits, check_size, check_values
from app.imaging.formats.dicom_geometry import NOT_VOLUME, read_geometry
from app.imaging.formats.file import VolumeFile, on_own_grid
from app.imaging.formats.spacing import place
from app.imaging.formats.stream import SEND_AGAIN, ByteStream
from app.imaging.formats.voxels import read_voxels
from app.imaging.volume import Float3, Volume

MARK: Final = (128, b"DICM")
ENHANCED_US_VOLUME: Final = "1.2.840.10008.5.1.4.1.1.6.2"
DEFLATED: Final = b"1.2.840.10008.1.2.1.99"
WANTED: Final = [
    "SOPClassUID",
    "SamplesPerPixel",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
    "LossyImageCompression",
    "UltrasoundAcquisitionGeometry",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "PixelData",
]
VENDORS: Final = {
    b"KRETZ_US": (
        "a Kretz volume of GE in DICOM",
        "save it as a .vol with wavelet compression: none, or export it as Enhanced US Volume",
    ),
    b"GEMS_Ultrasound_MovieGroup": ("a MovieGroup file of GE", "export the volume as Enhanced US Volume"),
    b"Philips US Imaging DD": ("a private volume of Philips", "save the volume from 3D Slicer as NRRD"),
    b"1.2.840.113543.6.6.1.3.10002": ("a private volume of Philips", "save the volume from 3D Slicer as NRRD"),
}
"""Marks of volumes that vendors write in formats of their own, what they are, and the way out."""
DAMAGES: Final = (
    BytesLengthException,
    InvalidDicomError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)
"""What pydicom raises for damaged files, at once or where an element is first used."""
UNPACK: Final = "store it uncompressed: gdcmconv --raw IN OUT, or dcmdjpeg IN OUT"


def is_dicom(begin: bytes) -> bool:
    """Return whether a file begins as DICOM does."""
    at, mark = MARK
    return begin[at : at + len(mark)] == mark


def decode_dicom(payload: bytes, limits: DecodeLimits, spacing_mm: Float3 | None = None) -> VolumeFile:
    """Return the volume in an Enhanced US Volume; raise an `ImagingError` that says what is wrong with it."""
    _silence_pydicom()
    if DEFLATED in payload:
        raise NotAVolumeFile("unsupported_encoding", "the DICOM file is deflated as a whole", remedy=UNPACK)
    try:
        dataset = dcmread(io.BytesIO(payload), specific_tags=WANTED)
        _require_enhanced(dataset, payload)
        return _decode(dataset, limits, spacing_mm)
    except DAMAGES:  # pydicom's own words repeat bytes of the file
        raise UnreadableFile("unreadable", "the DICOM file is damaged or incomplete", remedy=SEND_AGAIN) from None


def _silence_pydicom() -> None:
    """Keep pydicom from repeating values of a file in warnings and log lines: they may be names."""
    config.settings.reading_validation_mode = config.IGNORE
    warnings.filterwarnings("ignore", module="pydicom")
    logging.getLogger("pydicom").disabled = True


def _require_enhanced(dataset: Dataset, payload: bytes) -> None:
    if dataset.get("SOPClassUID") == ENHANCED_US_VOLUME:
        return
    for mark, (name, remedy) in VENDORS.items():
        if mark in payload:
            raise NotAVolumeFile("vendor_format", f"this is {name}, which is not read here", remedy=remedy)
    if "SOPClassUID" not in dataset:
        raise UnreadableFile("unreadable", "the DICOM file does not say what it holds", remedy=SEND_AGAIN)
    raise NotMeasurable(
        "not_three_dimensional",
        "the DICOM file is no Enhanced US Volume",
        expected=f"SOP class {ENHANCED_US_VOLUME}",
        remedy=NOT_VOLUME,
    )


def _decode(dataset: Dataset, limits: DecodeLimits, spacing_mm: Float3 | None) -> VolumeFile:
    planes, rows, columns = (int(dataset[name].value) for name in ("NumberOfFrames", "Rows", "Columns"))
    if min(planes, rows, columns) < 1:
        raise UnreadableFile(
            "bad_dimensions", "the header's dimensions are impossible", got=str((planes, rows, columns))
        )
    dtype = _read_dtype(dataset)
    check_size((columns, rows, planes), planes * rows * columns * dtype.itemsize, limits)
    stack = read_geometry(dataset, planes)
    shape = (columns, rows, len(stack.order))
    geometry, flags = place(shape, stack.affine, spacing_mm, "the pixel measures")
    frames = _read_frames(dataset, dtype, (columns, rows, planes))[:, :, stack.order]
    values = check_values(np.asfortranarray(frames), _read_scaling(stack.scaling))
    return on_own_grid(Volume(values, geometry), (*_flag_lossy(dataset), *flags), limits)


def _read_dtype(dataset: Dataset) -> np.dtype[Any]:
    if dataset.get("SamplesPerPixel", 1) != 1:
        raise NotMeasurable("unsupported_type", "the voxels are colours", expected="one grey value a voxel")
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax not in (ImplicitVRLittleEndian, ExplicitVRLittleEndian):
        raise NotAVolumeFile("unsupported_encoding", "the DICOM file's pictures are compressed", remedy=UNPACK)
    kinds = {(8, 0): "u1", (8, 1): "i1", (16, 0): "<u2", (16, 1): "<i2"}
    kind = kinds.get((dataset["BitsAllocated"].value, dataset.get("PixelRepresentation", 0)))
    if kind is None:
        raise UnreadableFile("unknown_type", "the voxels have neither 8 nor 16 bits")
    return np.dtype(kind)


def _read_frames(dataset: Dataset, dtype: np.dtype[Any], shape: tuple[int, int, int]) -> NDArray[Any]:
    """Return the frames in the file's order, (column, row, frame); one byte more may fill up an odd number."""
    stored = memoryview(dataset["PixelData"].value)
    size = math.prod(shape) * dtype.itemsize
    if size % 2 and len(stored) == size + 1:
        stored = stored[:size]
    return read_voxels(ByteStream(stored, len(stored), "none"), dtype, shape)


def _read_scaling(scaling: tuple[float, float]) -> tuple[float, float] | None:
    if scaling == (1.0, 0.0):
        return None
    if not np.isfinite(scaling).all() or scaling[0] == 0:
        raise NotMeasurable("bad_scaling", "the header's scaling of values is impossible")
    return scaling


def _flag_lossy(dataset: Dataset) -> tuple[Flag, ...]:
    if str(dataset.get("LossyImageCompression", "00")) != "01":
        return ()
    return (
        Flag(
            code=LOSSY_COMPRESSION,
            detail="the scan was compressed with a loss once; no validation covers such scans",
            remedy="export the scan without lossy compression, or compare the outline with the image",
        ),
    )
