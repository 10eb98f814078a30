"""MetaImage with header and voxels in one file (`.mha`), as ITK writes it: raw or zlib, LPS+.

Source of the format: itk.org/Wiki/ITK/MetaIO/Documentation. A header that points to another file (`.mhd`) is refused,
never followed.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.imaging.errors import NotMeasurable, UnreadableFile
from app.imaging.formats.checks import DecodeLimits, check_size, check_values
from app.imaging.formats.file import VolumeFile, on_own_grid
from app.imaging.formats.spacing import place
from app.imaging.formats.stream import GZIP_MAGIC, SEND_AGAIN, ByteStream, Packing
from app.imaging.formats.text_header import (
    HEADER_BYTES,
    detached,
    read_numbers,
    read_sizes,
    require_volume,
    unsupported_encoding,
)
from app.imaging.formats.voxels import read_voxels
from app.imaging.volume import AXES, Float3, Volume

TYPES: Final = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
LPS_TO_RAS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])
BEGINNING: Final = re.compile(rb"\s*(?:ObjectType|NDims)[ \t]*=")
SAVE_PLAINLY: Final = "save the volume as .mha with binary voxels"


def decode_metaimage(payload: bytes, limits: DecodeLimits, spacing_mm: Float3 | None = None) -> VolumeFile:
    """Return the volume in a .mha; raise an `ImagingError` that says what is wrong with it."""
    fields, start = _read_fields(payload)
    shape = require_volume(_read_shape(fields))
    dtype = _read_dtype(fields)
    check_size(shape, math.prod(shape) * dtype.itemsize, limits)
    geometry, flags = place(shape, _read_affine(fields, len(_read_shape(fields))), spacing_mm, "ElementSpacing")
    stream = ByteStream(memoryview(payload)[start:], limits.max_bytes, _read_packing(fields, payload, start))
    return on_own_grid(Volume(check_values(read_voxels(stream, dtype, shape)), geometry), flags, limits)


def _read_fields(payload: bytes) -> tuple[dict[str, str], int]:
    """Return the fields by name, and where the voxels begin: behind the line ElementDataFile."""
    begin = payload[:HEADER_BYTES]
    last = re.search(rb"^[ \t]*ElementDataFile[ \t]*=[ \t]*([^\r\n]*?)[ \t]*\r?\n", begin, re.MULTILINE)
    if last is None:
        if re.search(rb"^[ \t]*ElementDataFile", begin, re.MULTILINE):
            raise detached("ElementDataFile")
        raise UnreadableFile("truncated", "the file ends within its header", remedy=SEND_AGAIN)
    if last[1].upper() != b"LOCAL":
        raise detached("ElementDataFile")
    lines = (line.partition("=") for line in begin[: last.start()].decode("latin-1").splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}, last.end()


def _read_shape(fields: dict[str, str]) -> list[int]:
    sizes = read_sizes(fields.get("DimSize", ""))
    if fields.get("NDims", "") != str(len(sizes)):
        raise UnreadableFile("bad_dimensions", "the header's NDims and DimSize disagree", got=str(sizes))
    return sizes


def _read_dtype(fields: dict[str, str]) -> np.dtype[Any]:
    if fields.get("ElementNumberOfChannels", "1") != "1":
        raise NotMeasurable(
            "unsupported_type",
            "each voxel has several components, such as colours",
            expected="one real number a voxel",
            remedy="save one component, the grey values",
        )
    code = TYPES.get(fields.get("ElementType", "").upper())
    if code is None:
        raise UnreadableFile("unknown_type", "the header's voxel type does not exist, or is no number")
    big = any(_is_true(fields, name) for name in ("BinaryDataByteOrderMSB", "ElementByteOrderMSB"))
    return np.dtype((">" if big else "<") + code)


def _read_packing(fields: dict[str, str], payload: bytes, start: int) -> Packing:
    if not _is_true(fields, "BinaryData", "True"):
        raise unsupported_encoding("the voxels are written as text", SAVE_PLAINLY)
    if fields.get("HeaderSize", "0") != "0":
        raise unsupported_encoding("the header asks for bytes to be skipped before the voxels", SAVE_PLAINLY)
    if not _is_true(fields, "CompressedData"):
        return "none"
    return "gzip" if payload[start : start + 2] == GZIP_MAGIC else "zlib"


def _is_true(fields: dict[str, str], name: str, default: str = "False") -> bool:
    return fields.get(name, default).lower() in ("true", "t", "1", "yes")


def _read_affine(fields: dict[str, str], axes: int) -> NDArray[np.float64] | None:
    """Return the affine to RAS+ in mm, None where the file gives no spacing; each row of the matrix is an axis."""
    spacing = _first(fields, "ElementSpacing", "ElementSize")
    if spacing is None:
        return None
    affine = np.eye(4)
    directions = _first(fields, "TransformMatrix", "Rotation", "Orientation")
    if directions is not None:
        turned = read_numbers(directions, "TransformMatrix", axes * axes).reshape(axes, axes)
        affine[:3, :3] = turned[: len(AXES), : len(AXES)].T
    affine[:3, :3] *= np.abs(read_numbers(spacing, "ElementSpacing", axes))[: len(AXES)]
    offset = _first(fields, "Offset", "Position", "Origin")
    if offset is not None:
        affine[:3, 3] = read_numbers(offset, "Offset", axes)[: len(AXES)]
    return np.asarray(LPS_TO_RAS @ affine)


def _first(fields: dict[str, str], *names: str) -> str | None:
    return next((fields[name] for name in names if name in fields), None)
