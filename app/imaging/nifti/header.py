"""The part of a NIfTI header that a measurement needs: type, grid, affines and units, never its free text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import nibabel as nib
import numpy as np
from nibabel.nifti1 import Nifti1Header
from numpy.typing import NDArray

from app.imaging.errors import NotAVolumeFile, NotMeasurable, UnreadableFile
from app.imaging.volume import Float3, Index3, VolumeGeometry

NiftiVersion = Literal[1, 2]

LONGEST_QUATERNION_EXCESS = 1e-3
"""By how much a rounded quaternion may be longer than 1: programs write them with as few as three digits."""
HEADER_BYTES: dict[NiftiVersion, int] = {1: 348, 2: 540}
MAGIC: dict[NiftiVersion, tuple[int, bytes]] = {1: (344, b"n+1\0"), 2: (4, b"n+2\0\r\n\x1a\n")}
PAIR_MAGIC = (b"ni1\0", b"ni2\0")
SPACE_UNITS = {0: None, 1: 1000.0, 2: 1.0, 3: 0.001}
"""Codes of xyzt_units and the mm in one unit; 0 is unknown."""
REAL_TYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
OTHER_TYPES = {
    1: "single bits",
    32: "complex numbers",
    128: "RGB colours",
    1536: "128-bit floats",
    1792: "complex numbers",
    2048: "complex numbers",
    2304: "RGBA colours",
}
CONVERT = "convert the scan to NIfTI (.nii or .nii.gz)"
FETCH_SIGNED_IN = "open the address in a browser, sign in, and download the scan itself"
NOT_NIFTI = (
    (128, b"DICM", "a DICOM file", CONVERT),
    (0, b"KRETZFILE", "a gzipped Kretz file", "unpack it with gunzip, and send the result"),
    (0, b"NRRD", "an NRRD file", CONVERT),
    (0, b"ObjectType", "a MetaImage file", CONVERT),
    (0, b"PK\x03\x04", "a zip archive", "unpack it, and send the scan in it"),
    (0, b"BZh", "a bzip2 file", CONVERT),
    (0, b"\xfd7zXZ", "an xz file", CONVERT),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard file", CONVERT),
    (0, b"\x89PNG", "a PNG picture", CONVERT),
    (0, b"\xff\xd8\xff", "a JPEG picture", CONVERT),
    (0, b"%PDF", "a PDF document", CONVERT),
    (0, b"\x89HDF", "an HDF5 file", CONVERT),
    (0, b"\x1f\x8b", "gzip within gzip", "unpack it once with gunzip, and send the result"),
    (0, b"version https://git-lfs", "a Git LFS pointer", "fetch the scan itself with git lfs pull"),
    (0, b"/annex/objects/", "a git-annex pointer", "fetch the scan itself with git annex get"),
    (0, b"../", "a link that was saved as a file", "send the file that it points to"),
    (0, b"<!doctype html", "an HTML page", FETCH_SIGNED_IN),
    (0, b"<html", "an HTML page", FETCH_SIGNED_IN),
    (0, b"<?xml", "an XML document", FETCH_SIGNED_IN),
    (0, b"<error", "an XML document", FETCH_SIGNED_IN),
    (0, b"{", "a JSON document", FETCH_SIGNED_IN),
)
"""What else arrives under the name of a scan: the place of its mark, the mark in any case, what it is, what helps."""


@dataclass(frozen=True)
class NiftiHeader:
    """The part of a header that is written with the mask: grid, both affines and their codes, in the file's units."""

    version: NiftiVersion
    shape: Index3
    pixdim: tuple[float, ...]
    units_code: int
    qform_code: int
    quaternion: Float3
    qoffset: Float3
    sform_code: int
    srow: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Encoding:
    """The storage of the voxels: their type, their offset, and the scaling of their values (None for none)."""

    dtype: np.dtype[Any]
    offset: int
    scaling: tuple[float, float] | None


def recognise_header(beginning: bytes) -> tuple[NiftiVersion, str, int]:
    """Return version, byte order and length of the header from a file's first bytes, or say what it is instead."""
    if not beginning:
        raise UnreadableFile("empty_file", "the file holds no bytes", remedy="send the file's content")
    for version, length in HEADER_BYTES.items():
        for order in ("<", ">"):
            if np.frombuffer(beginning[:4].ljust(4), dtype=f"{order}i4")[0] == length:
                return version, order, length
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    for at, magic, name, remedy in NOT_NIFTI:
        found = beginning[at : at + len(magic)] if at else text[: len(magic)]
        if found.lower() == magic.lower():
            raise _not_nifti(f"this is {name}", beginning, remedy)
    raise _not_nifti("the file does not begin as NIfTI does", beginning, CONVERT)


def header_on_grid(geometry: VolumeGeometry) -> NiftiHeader:
    """Return the NIfTI-1 header of a volume that came in another format: mm, sform, and the qform that equals it."""
    header = nib.Nifti1Header()
    header.set_data_shape(geometry.shape)
    header.set_qform(geometry.affine, code=1)
    header.set_sform(geometry.affine, code=1)
    header.set_xyzt_units("mm")
    return _read_geometry(header, 1)


def _not_nifti(detail: str, beginning: bytes, remedy: str) -> NotAVolumeFile:
    return NotAVolumeFile(
        "not_nifti",
        detail,
        expected="NIfTI-1 or NIfTI-2, plain or gzipped",
        got=f"a file that begins with the bytes {beginning[:4].hex(' ')}",
        remedy=remedy,
    )


def parse_header(block: bytes, version: NiftiVersion, order: str) -> tuple[NiftiHeader, Encoding]:
    """Return the geometry and the encoding in a whole header block; raise for what must not be measured."""
    at, magic = MAGIC[version]
    found = block[at : at + len(magic)]
    if found in PAIR_MAGIC:
        raise NotAVolumeFile(
            "header_of_a_pair",
            "only the header of a .hdr/.img pair was sent",
            expected="header and voxels in one file",
            remedy=CONVERT,
        )
    if found != magic:
        analyze = version == 1 and not any(found)
        raise NotAVolumeFile(
            "wrong_magic",
            "this is an Analyze 7.5 header, not NIfTI" if analyze else "the header lacks NIfTI's magic string",
            expected=f"{magic.split(bytes(1))[0].decode()} at byte {at}",
            got=f"the bytes {found.hex(' ')}",
            remedy=f"{CONVERT}; Analyze does not say how the volume lies in space" if analyze else CONVERT,
        )
    kind: type[Nifti1Header] = nib.Nifti1Header if version == 1 else nib.Nifti2Header
    header = kind(binaryblock=block, endianness=order, check=False)
    return _read_geometry(header, version), _read_encoding(header, version, order)


def _read_geometry(header: Nifti1Header, version: NiftiVersion) -> NiftiHeader:
    fields = header.structarr
    return NiftiHeader(
        version=version,
        shape=_read_shape(fields["dim"]),
        pixdim=tuple(float(value) for value in fields["pixdim"]),
        units_code=int(fields["xyzt_units"]) & 7,
        qform_code=int(fields["qform_code"]),
        quaternion=_read_quaternion(*(float(fields[f"quatern_{letter}"]) for letter in "bcd")),
        qoffset=(float(fields["qoffset_x"]), float(fields["qoffset_y"]), float(fields["qoffset_z"])),
        sform_code=int(fields["sform_code"]),
        srow=tuple(tuple(float(value) for value in fields[name]) for name in ("srow_x", "srow_y", "srow_z")),
    )


def _read_quaternion(b: float, c: float, d: float) -> Float3:
    """Return the quaternion, shortened to 1 where rounding left it longer: half a turn, which has a = 0."""
    length = math.hypot(b, c, d)
    if not 1 < length <= 1 + LONGEST_QUATERNION_EXCESS:
        return b, c, d
    return b / length, c / length, d / length


def _read_shape(dim: NDArray[Any]) -> Index3:
    count, *sizes = (int(value) for value in dim)
    if not 1 <= count <= len(sizes) or min(sizes[:count]) < 1:
        raise UnreadableFile("bad_dimensions", "the header's dimensions are impossible", got=str([count, *sizes]))
    sizes = sizes[:count]
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    if len(sizes) > 3:
        detail, remedy = _explain_extra_axes(sizes)
        raise NotMeasurable(
            "several_volumes",
            detail,
            expected="one volume of three axes (further axes of length 1 may follow them)",
            got=" x ".join(map(str, sizes)),
            remedy=remedy,
        )
    if len(sizes) < 3 or 1 in sizes:
        raise NotMeasurable(
            "not_three_dimensional",
            "the file holds a picture, not a volume",
            expected="three axes of more than one voxel",
            got=" x ".join(map(str, sizes)),
        )
    return sizes[0], sizes[1], sizes[2]


def _explain_extra_axes(sizes: list[int]) -> tuple[str, str]:
    """Return what more than three axes mean, and what to do about it."""
    if len(sizes) == 5 and sizes[3] == 1:
        return f"each voxel has {sizes[4]} components, such as colours", "save one component, the grey values"
    if sizes[0] == 1 and len([size for size in sizes if size > 1]) == 3:
        return "an axis of length 1 stands in front of the volume's three", "remove it, or move it to the end"
    return "the file holds more than one volume", "send one volume of the series"


def _read_encoding(header: Nifti1Header, version: NiftiVersion, order: str) -> Encoding:
    fields = header.structarr
    offset = float(fields["vox_offset"])
    if not np.isfinite(offset) or offset < HEADER_BYTES[version] or offset != int(offset):
        raise UnreadableFile("bad_voxel_offset", "the header points to no place for the voxels", got=f"{offset:g}")
    return Encoding(
        _read_dtype(int(fields["datatype"]), order),
        int(offset),
        _read_scaling(float(fields["scl_slope"]), float(fields["scl_inter"])),
    )


def _read_dtype(code: int, order: str) -> np.dtype[Any]:
    if code in REAL_TYPES:
        return np.dtype(order + REAL_TYPES[code])
    if code not in OTHER_TYPES:
        raise UnreadableFile("unknown_type", f"the header's voxel type {code} does not exist")
    raise NotMeasurable(
        "unsupported_type",
        f"the voxels are {OTHER_TYPES[code]}",
        expected="one real number a voxel: integers of up to 64 bits, 32- or 64-bit floats",
        remedy="export the grey-scale volume",
    )


def _read_scaling(slope: float, intercept: float) -> tuple[float, float] | None:
    if slope == 0 or np.isnan(slope) or (slope, intercept) == (1.0, 0.0):
        return None
    if not (np.isfinite(slope) and np.isfinite(intercept)):
        raise NotMeasurable(
            "bad_scaling", "the header's scaling of values is not finite", got=f"{slope:g}, {intercept:g}"
        )
    return slope, intercept
