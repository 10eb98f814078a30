"""Kretz files (`.vol`) of GE Voluson scanners: the samples of a mechanically swept probe, before scan conversion.

Items of group, element, length and content follow a magic string. The maker publishes no description; this follows what
two open readers agree on (github.com/plooney/kretz, github.com/SlicerHeart/SlicerHeart), and where they differ, the
middle of an angle table is the middle of the fan. Texts, among them the patient's name, are never looked at.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Final

import numpy as np

from app.contract.findings import Flag
from app.contract.upload import GEOMETRY_FROM_KRETZ
from app.imaging.arrays import Float64, UInt8
from app.imaging.errors import NotAVolumeFile, NotMeasurable, UnreadableFile
from app.imaging.formats.checks import DecodeLimits, check_measurable, check_size, check_values
from app.imaging.formats.file import VolumeFile, on_own_grid
from app.imaging.formats.spacing import place
from app.imaging.formats.stream import SEND_AGAIN
from app.imaging.scan_conversion import Beams, convert, enclose
from app.imaging.volume import Float3, Index3, Volume

BEGINNING: Final = b"KRETZFILE"
MAGIC: Final = b"KRETZFILE 1.0   "
ITEM: Final = struct.Struct("<HHI")
MOST_ITEMS: Final = 20_000
MOST_GRID_VOXELS: Final = 30_000_000
SAMPLES, SERIES = (0xD000, 1), (0xD600, 1)
RADIAL_STEP, FIRST_RADIUS, SWEEP_OFFSET = (0xC100, 1), (0xC200, 1), (0xC200, 2)
PHI, THETA = (0xC300, 1), (0xC300, 2)
SIZES: Final = ((0xC000, 1), (0xC000, 2), (0xC000, 3))
WANTED: Final = frozenset((SAMPLES, SERIES, RADIAL_STEP, FIRST_RADIUS, SWEEP_OFFSET, PHI, THETA, *SIZES))
MIDDLE_DEG: Final = 90.0
OFF_CENTRE_DEG: Final = 0.5
SAVE_UNCOMPRESSED: Final = "open it in GE 4D View and save it with wavelet compression: none"

Items = dict[tuple[int, int], memoryview]


def decode_kretz(payload: bytes, limits: DecodeLimits, spacing_mm: Float3 | None = None) -> VolumeFile:
    """Return the volume in a .vol, on a Cartesian grid; raise an `ImagingError` that says what is wrong with it."""
    items = _read_items(payload)
    shape = _read_shape(items)
    check_size(shape, math.prod(shape), limits)
    echoes = check_values(_read_samples(items, shape))
    if PHI not in items and THETA not in items:
        return _take_cartesian(echoes, shape, spacing_mm, limits)
    _refuse_spacing(spacing_mm)
    theta, phi = _read_angles(items, THETA, shape[1]), _read_angles(items, PHI, shape[2])
    beams = _read_beams(items, echoes, theta, phi)
    geometry = enclose(beams, min(MOST_GRID_VOXELS, limits.max_voxels))
    check_measurable(geometry, limits)
    return on_own_grid(convert(beams, geometry), (_flag_geometry(theta, phi),), limits)


def _read_items(payload: bytes) -> Items:
    """Return the items that are needed; those that are not are passed over unread."""
    if payload[: len(MAGIC)] != MAGIC:
        raise NotAVolumeFile(
            "unsupported_encoding",
            "this is a Kretz file of another version",
            expected="version 1.0",
            remedy="save the scan as Kretz 1.0, DICOM Enhanced US Volume, NRRD or NIfTI",
        )
    found: Items = {}
    for tag, content in _walk(payload):
        if tag in WANTED and found.setdefault(tag, content) != content:
            raise UnreadableFile("unreadable", "the file says the same thing twice, differently", got=_name(tag))
    return found


def _walk(payload: bytes) -> Iterator[tuple[tuple[int, int], memoryview]]:
    view, position = memoryview(payload), len(MAGIC)
    for _ in range(MOST_ITEMS):
        if len(payload) - position < ITEM.size:
            return
        group, element, size = ITEM.unpack_from(payload, position)
        position += ITEM.size
        if size > len(payload) - position:
            raise UnreadableFile(
                "truncated",
                "the file ends before its last item",
                expected=f"{size} bytes of {_name((group, element))}",
                got=f"{len(payload) - position}",
                remedy=SEND_AGAIN,
            )
        yield (group, element), view[position : position + size]
        position += size
    raise UnreadableFile("unreadable", "the file has more items than a Kretz file has", expected=f"up to {MOST_ITEMS}")


def _read_shape(items: Items) -> Index3:
    i, j, k = (int.from_bytes(_take(items, tag, 2), "little") for tag in SIZES)
    if min(i, j, k) < 1:
        raise UnreadableFile("bad_dimensions", "the header's dimensions are impossible", got=f"{i} x {j} x {k}")
    if 1 in (i, j, k):
        raise NotMeasurable(
            "not_three_dimensional",
            "the file holds a picture, not a volume",
            expected="three axes of more than one voxel",
            got=f"{i} x {j} x {k}",
            remedy="save the 3D volume, not a picture of it",
        )
    return i, j, k


def _take(items: Items, tag: tuple[int, int], size: int) -> memoryview:
    """Return the first bytes of an item, whose numbers some programs write with more bytes than they need."""
    content = items.get(tag)
    if content is None or len(content) < size:
        got = "none" if content is None else f"{len(content)} bytes"
        raise UnreadableFile("unreadable", f"the file lacks {_name(tag)}", expected=f"{size} bytes", got=got)
    return content[:size]


def _read_samples(items: Items, shape: Index3) -> UInt8:
    content, expected = items.get(SAMPLES), math.prod(shape)
    if content is None:
        raise _explain_missing(items, expected)
    if len(content) != expected:
        raise UnreadableFile(
            "truncated" if len(content) < expected else "excess_bytes",
            "the file holds another number of voxels than its header says",
            expected=f"{expected} bytes of voxels",
            got=f"{len(content)}",
            remedy=SEND_AGAIN,
        )
    return np.frombuffer(content, np.uint8).reshape(shape, order="F")


def _explain_missing(items: Items, expected: int) -> NotAVolumeFile | NotMeasurable:
    if SERIES not in items:
        return NotAVolumeFile("unsupported_encoding", "this Kretz file is compressed", remedy=SAVE_UNCOMPRESSED)
    volumes, rest = divmod(len(items[SERIES]), expected)
    counted = f"{volumes} volumes" if volumes and not rest else "several volumes, compressed or not"
    return NotMeasurable(
        "several_volumes",
        f"the file holds {counted}: it is a recording over time",
        expected="one volume",
        remedy="save one volume of the recording, in GE 4D View or on the scanner",
    )


def _take_cartesian(echoes: UInt8, shape: Index3, spacing_mm: Float3 | None, limits: DecodeLimits) -> VolumeFile:
    """Return the volume of a file without beam angles, whose spacing no description of the format tells."""
    geometry, flags = place(shape, None, spacing_mm, "angles of the beams")
    return on_own_grid(Volume(echoes, geometry), flags, limits)


def _refuse_spacing(spacing_mm: Float3 | None) -> None:
    if spacing_mm is not None:
        raise NotMeasurable(
            "spacing_contradicts_file",
            "a spacing came with the file, whose voxels lie along beams",
            expected="no spacing_mm: the file says how its beams lie",
            remedy="leave out spacing_mm",
        )


def _read_angles(items: Items, tag: tuple[int, int], count: int) -> Float64:
    """Return the angles of one axis, degrees."""
    content = _take(items, tag, 8 * count)
    if len(items[tag]) != len(content):
        raise UnreadableFile(
            "unreadable", f"the file has more of {_name(tag)} than beams", expected=f"{count}", got=f"{len(items[tag])}"
        )
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(np.degrees(np.frombuffer(content, "<f8")), np.float64)


def _read_beams(items: Items, echoes: UInt8, theta: Float64, phi: Float64) -> Beams:
    step, first, offset = (
        struct.unpack("<d", _take(items, tag, 8))[0] for tag in (RADIAL_STEP, FIRST_RADIUS, SWEEP_OFFSET)
    )
    with np.errstate(invalid="ignore", over="ignore"):
        step_mm = 1000 * step
        tables = (np.radians(table - _middle(table)) for table in (theta, phi))
        return Beams(echoes, first * step_mm, step_mm, -offset * step_mm, *tables)


def _middle(table: Float64) -> float:
    return float(table[0] + table[-1]) / 2


def _flag_geometry(theta: Float64, phi: Float64) -> Flag:
    off = max(abs(_middle(table) - MIDDLE_DEG) for table in (theta, phi))
    doubt = f"; its fan is {off:.1f} degrees off centre, which readers take differently" if off > OFF_CENTRE_DEG else ""
    return Flag(
        code=GEOMETRY_FROM_KRETZ,
        detail="the size rests on a description of Kretz files that their maker has not published and that was not "
        f"checked on this scanner{doubt}",
        remedy="scan an object of known size and compare, or export as DICOM Enhanced US Volume",
    )


def _name(tag: tuple[int, int]) -> str:
    return f"item ({tag[0]:04X},{tag[1]:04X})"
