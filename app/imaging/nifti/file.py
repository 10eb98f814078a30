"""NIfTI-1 and NIfTI-2 files, read as untrusted input and written on the exact grid that was read."""

from __future__ import annotations

import math
from typing import Any

import nibabel as nib
import numpy as np
from isal import igzip
from nibabel.nifti1 import Nifti1Image
from nibabel.nifti2 import Nifti2Image
from numpy.typing import NDArray

from app.imaging.errors import NotMeasurable, UnreadableFile
from app.imaging.formats.checks import DecodeLimits, check_measurable, check_size, check_values
from app.imaging.formats.file import VolumeFile
from app.imaging.formats.stream import SEND_AGAIN, ByteStream
from app.imaging.formats.voxels import read_voxels
from app.imaging.nifti.affine import locate
from app.imaging.nifti.header import HEADER_BYTES, Encoding, NiftiHeader, parse_header, recognise_header
from app.imaging.volume import Float3, Index3, Volume, VolumeGeometry

COMPRESSION_LEVEL = 2
FRACTION_STEPS = 255
NO_EXTENSIONS = b"\0\0\0\0"
NiftiFile = VolumeFile
"""The name under which other programs know a decoded file."""


def decode_nifti(payload: bytes, limits: DecodeLimits | None = None, spacing_mm: Float3 | None = None) -> VolumeFile:
    """Return the volume in a .nii or .nii.gz; raise an `ImagingError` that says what is wrong with it.

    `spacing_mm` is for files that have none of their own.
    """
    limits = limits or DecodeLimits()
    file = OpenNifti(payload, limits)
    geometry, flags = locate(file.header, spacing_mm)
    check_measurable(geometry, limits)
    return VolumeFile(Volume(check_values(file.voxels(), file.encoding.scaling), geometry), file.header, flags)


class OpenNifti:
    """A file whose header was read and whose size is within the limits; its voxels can be read once."""

    def __init__(self, payload: bytes, limits: DecodeLimits) -> None:
        """Read the header; raise an `ImagingError` where it is not NIfTI, or announces too much."""
        self._stream = ByteStream(payload, limits.max_bytes)
        beginning = self._stream.read(min(HEADER_BYTES.values()))
        version, order, self._length = recognise_header(beginning)
        beginning += self._stream.read(self._length - min(HEADER_BYTES.values()))
        if len(beginning) < self._length:
            raise UnreadableFile("truncated", "the file ends within its header", remedy=SEND_AGAIN)
        self.header, self.encoding = parse_header(beginning, version, order)
        _check_size(self.header.shape, self.encoding, limits)

    def voxels(self) -> NDArray[Any]:
        """Return the array as stored, (I, J, K); raise `UnreadableFile` where the file holds less or more."""
        return _read_voxels(self._stream, self.encoding, self._length, self.header.shape)


def encode_nifti(mask: NDArray[np.uint8], header: NiftiHeader) -> bytes:
    """Return a .nii.gz with the mask on the grid, affines and codes of the upload, and nothing else of it."""
    if mask.shape != header.shape:
        raise NotMeasurable(
            "shape_mismatch", "the mask is not on the upload's grid", str(header.shape), str(mask.shape)
        )
    fields = nib.Nifti1Header() if header.version == 1 else nib.Nifti2Header()
    fields["dim"] = [3, *mask.shape, 1, 1, 1, 1]
    fields["pixdim"] = header.pixdim
    fields["xyzt_units"] = header.units_code
    fields["qform_code"], fields["sform_code"] = header.qform_code, header.sform_code
    fields["quatern_b"], fields["quatern_c"], fields["quatern_d"] = header.quaternion
    fields["qoffset_x"], fields["qoffset_y"], fields["qoffset_z"] = header.qoffset
    fields["srow_x"], fields["srow_y"], fields["srow_z"] = header.srow
    fields.set_data_dtype(np.uint8)
    return _pack(fields, mask.astype(np.uint8, copy=False))


def encode_volume(volume: Volume) -> bytes:
    """Return a volume as .nii.gz (NIfTI-1, mm, sform, and the qform that equals it)."""
    return _pack_on_grid(volume.data.astype(volume.data.dtype.newbyteorder("="), copy=False), volume.geometry)


def encode_fractions(volume: Volume) -> bytes:
    """Return fractions (0 to 1) as .nii.gz in steps of 1/255, one byte a voxel; for display, not for computation."""
    steps = np.rint(np.clip(volume.data, 0, 1) * FRACTION_STEPS).astype(np.uint8)
    return _pack_on_grid(steps, volume.geometry, 1 / FRACTION_STEPS)


def read_mask_file(content: bytes) -> Nifti1Image | Nifti2Image:
    """Return the image in a trusted .nii.gz, which this service wrote; `decode_nifti` reads untrusted files."""
    unpacked = igzip.decompress(content)  # type: ignore[no-untyped-call]  # isal types it in part
    kind = Nifti2Image if unpacked[:4] in NIFTI_2_BEGINS else Nifti1Image
    image: Nifti1Image | Nifti2Image = kind.from_bytes(unpacked)
    return image


def _check_size(shape: Index3, encoding: Encoding, limits: DecodeLimits) -> None:
    if encoding.offset > limits.max_bytes:
        raise UnreadableFile(
            "bad_voxel_offset",
            "the header points beyond any file's end for the voxels",
            expected=f"up to byte {limits.max_bytes}",
            got=f"byte {encoding.offset:.3g}",
        )
    check_size(shape, encoding.offset + math.prod(shape) * encoding.dtype.itemsize, limits)


def _read_voxels(stream: ByteStream, encoding: Encoding, position: int, shape: Index3) -> NDArray[Any]:
    """Return the array as stored, (I, J, K), after checking that the file holds it and nothing more."""
    gap = encoding.offset - position
    skipped = len(stream.read(gap))
    if skipped < gap:
        raise UnreadableFile(
            "bad_voxel_offset" if skipped else "truncated",
            "the header points beyond the file's end for the voxels"
            if skipped
            else "the file has a header but no voxels",
            expected=f"voxels from byte {encoding.offset} on",
            got=f"{position + skipped} bytes",
            remedy=SEND_AGAIN,
        )
    return read_voxels(stream, encoding.dtype, shape)


def _pack_on_grid(data: NDArray[Any], geometry: VolumeGeometry, slope: float = 1.0) -> bytes:
    fields = nib.Nifti1Header()
    fields.set_data_dtype(data.dtype)
    fields.set_data_shape(geometry.shape)
    fields.set_qform(geometry.affine, code=1)
    fields.set_sform(geometry.affine, code=1)
    fields.set_xyzt_units("mm")
    return _pack(fields, data, slope)


def _pack(fields: Any, data: NDArray[Any], slope: float = 1.0) -> bytes:
    fields["magic"] = b"n+1" if len(fields.binaryblock) == HEADER_BYTES[1] else b"n+2"
    fields["vox_offset"] = len(fields.binaryblock) + len(NO_EXTENSIONS)
    fields["scl_slope"], fields["scl_inter"] = slope, 0
    voxels = np.asfortranarray(data).reshape(-1, order="F").view(np.uint8)  # a view, not a copy
    head = np.frombuffer(fields.binaryblock + NO_EXTENSIONS, dtype=np.uint8)
    content = np.concatenate([head, voxels])  # joining bytes would hold the interpreter's lock for all of the copying
    return igzip.compress(content, compresslevel=COMPRESSION_LEVEL, mtime=0)


NIFTI_2_BEGINS = ((540).to_bytes(4, "little"), (540).to_bytes(4, "big"))
