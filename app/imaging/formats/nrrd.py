"""NRRD with header and voxels in one file (`.nrrd`), raw or gzipped, as 3D Slicer and ITK write it.

Source of the format: teem.sourceforge.net/nrrd/format.html. A header that points to another file is refused, never
followed: it could name any file of this machine.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.imaging.errors import NotMeasurable, UnreadableFile
from app.imaging.formats.checks import DecodeLimits, check_size, check_values
from app.imaging.formats.file import VolumeFile, on_own_grid
from app.imaging.formats.spacing import place
from app.imaging.formats.stream import SEND_AGAIN, ByteStream, Packing
from app.imaging.formats.text_header import (
    HEADER_BYTES,
    detached,
    read_numbers,
    read_sizes,
    require_volume,
    shorten,
    unsupported_encoding,
)
from app.imaging.formats.voxels import read_voxels
from app.imaging.volume import AXES, Float3, Volume

MAGIC: Final = b"NRRD000"
TYPES: Final = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
PACKINGS: Final[dict[str, Packing]] = {"raw": "none", "gzip": "gzip", "gz": "gzip"}
ORDERS: Final = {"little": "<", "big": ">"}
TO_RAS: Final = {"right": (1, 1, 1), "left-anterior": (-1, 1, 1), "left-posterior": (-1, -1, 1)}
"""What turns a named space into RAS+, by the beginning of its name."""
SHORT_SPACES: Final = {
    "ras": "right-anterior-superior",
    "las": "left-anterior-superior",
    "lps": "left-posterior-superior",
}
UNITS_MM: Final = {"mm": 1.0, "millimeter": 1.0, "cm": 10.0, "m": 1000.0, "um": 1e-3, "\u00b5m": 1e-3, "": 1.0}
COLOURS: Final = ("color", "vector", "complex", "matrix", "quaternion", "point", "normal", "gradient")
SAVE_PLAINLY: Final = "save the volume as NRRD with the encoding raw or gzip"


def decode_nrrd(payload: bytes, limits: DecodeLimits, spacing_mm: Float3 | None = None) -> VolumeFile:
    """Return the volume in a .nrrd; raise an `ImagingError` that says what is wrong with it."""
    fields, start = _read_fields(payload)
    layout = _read_layout(fields)
    check_size(layout.shape, math.prod(layout.shape) * layout.dtype.itemsize, limits)
    expected = "the fields space directions or spacings"
    geometry, flags = place(layout.shape, layout.affine, spacing_mm, expected)
    stream = ByteStream(memoryview(payload)[start:], limits.max_bytes, layout.packing)
    values = check_values(read_voxels(stream, layout.dtype, layout.shape))
    return on_own_grid(Volume(values, geometry), flags, limits)


@dataclass(frozen=True)
class _Layout:
    """The part of a header that a measurement needs."""

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    packing: Packing
    affine: NDArray[np.float64] | None


def _read_fields(payload: bytes) -> tuple[dict[str, str], int]:
    """Return the fields by their names in lower case, and where the voxels begin."""
    end = re.search(rb"\r?\n\r?\n", payload[:HEADER_BYTES])
    lines = payload[: end.start() if end else HEADER_BYTES].decode("latin-1").splitlines()[1:]
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if line.startswith("#") or not colon or value.startswith("="):
            continue
        fields[name.strip().lower()] = value.strip()
    for name in ("data file", "datafile"):
        if name in fields:
            raise detached(name)
    if end is None:
        raise UnreadableFile("truncated", "the file ends within its header", remedy=SEND_AGAIN)
    return fields, end.end()


def _read_layout(fields: dict[str, str]) -> _Layout:
    sizes = read_sizes(fields.get("sizes", ""))
    if fields.get("dimension", "") != str(len(sizes)):
        raise UnreadableFile("bad_dimensions", "the header names another number of axes than sizes", got=str(sizes))
    _refuse_components(fields, sizes)
    shape = require_volume(sizes)
    for name in ("line skip", "byte skip", "lineskip", "byteskip"):
        if fields.get(name, "0") != "0":
            raise unsupported_encoding(f"the header asks for a {name} before the voxels", SAVE_PLAINLY)
    encoding = fields.get("encoding", "").lower()
    if encoding not in PACKINGS:
        raise unsupported_encoding("the voxels are stored neither raw nor gzipped", SAVE_PLAINLY)
    return _Layout(shape, _read_dtype(fields), PACKINGS[encoding], _read_affine(fields, len(sizes)))


def _refuse_components(fields: dict[str, str], sizes: list[int]) -> None:
    kinds = fields.get("kinds", "").lower()
    if len(sizes) > len(AXES) and any(kind in kinds for kind in COLOURS):
        raise NotMeasurable(
            "unsupported_type",
            "each voxel has several components, such as colours",
            expected="one real number a voxel",
            got=" x ".join(map(str, sizes)),
            remedy="save one component, the grey values",
        )


def _read_dtype(fields: dict[str, str]) -> np.dtype[Any]:
    name = " ".join(fields.get("type", "").lower().split())
    code = next((code for code, names in TYPES.items() if name in names), None)
    if code is None:
        raise UnreadableFile("unknown_type", "the header's voxel type does not exist, or is no number")
    order = ORDERS.get(fields.get("endian", "little").lower())
    if order is None or (np.dtype(code).itemsize > 1 and "endian" not in fields):
        raise UnreadableFile("unknown_type", "the header does not say in which order the bytes of a voxel lie")
    return np.dtype(order + code)


def _read_affine(fields: dict[str, str], axes: int) -> NDArray[np.float64] | None:
    """Return the affine to RAS+ in mm, None where the file gives no spacing."""
    directions = fields.get("space directions")
    if directions is None:
        return _read_spacings(fields, axes)
    vectors = re.findall(r"\([^()]*\)|none", directions, re.IGNORECASE)
    if len(vectors) != axes or any(vector.lower() == "none" for vector in vectors[: len(AXES)]):
        raise UnreadableFile(
            "unreadable",
            "the header's space directions cannot be understood",
            expected="a vector for each axis of the volume",
            got=shorten(directions),
        )
    scale, turn = _read_units(fields), _read_space(fields)
    affine = np.eye(4)
    for axis in AXES:
        affine[:3, axis] = turn * scale * read_numbers(vectors[axis].strip("()"), "space directions", len(AXES))
    if "space origin" in fields:
        affine[:3, 3] = turn * scale * read_numbers(fields["space origin"].strip("()"), "space origin", len(AXES))
    return affine


def _read_spacings(fields: dict[str, str], axes: int) -> NDArray[np.float64] | None:
    if "spacings" not in fields:
        return None
    steps = read_numbers(fields["spacings"], "spacings", axes)[: len(AXES)] * _read_units(fields)
    return None if np.isnan(steps).all() else np.diag([*np.abs(steps), 1.0])


def _read_units(fields: dict[str, str]) -> float:
    """Return the mm in one unit of length, the same along each axis."""
    stated = fields.get("space units", fields.get("units", ""))
    units = set(re.findall(r'"([^"]*)"', stated)[: len(AXES)]) or {""}
    scale = UNITS_MM.get(units.pop().strip().lower())
    if units or scale is None:
        raise NotMeasurable(
            "unknown_units", "the header's unit of length is not known", expected="mm, cm, m or um along each axis"
        )
    return scale


def _read_space(fields: dict[str, str]) -> NDArray[np.float64]:
    """Return the signs that turn the file's space into RAS+; a space without a name is taken as it is."""
    name = fields.get("space", "").lower()
    name = SHORT_SPACES.get(name, name)
    if name.endswith("-time"):
        raise NotMeasurable(
            "several_volumes", "the file's space has a time axis", remedy="send one volume of the series"
        )
    signs = next((signs for begin, signs in TO_RAS.items() if name.startswith(begin)), (1, 1, 1))
    return np.array(signs, dtype=np.float64)
