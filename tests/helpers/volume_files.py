"""Volumes as NRRD and as MetaImage, header and voxels in one file; `app.imaging.nifti.file` writes NIfTI."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from isal import igzip, isal_zlib
from numpy.typing import NDArray

from app.imaging.formats.metaimage import LPS_TO_RAS
from app.imaging.formats.metaimage import TYPES as METAIMAGE_TYPES
from app.imaging.formats.nrrd import TYPES as NRRD_TYPES
from app.imaging.volume import AXES, Volume

COMPRESSION_LEVEL: Final = 2


def encode_nrrd(volume: Volume) -> bytes:
    """Return a volume as .nrrd: gzipped, in the space LPS, as 3D Slicer writes it."""
    affine = LPS_TO_RAS @ volume.geometry.affine
    voxels = _little_endian(volume.data)
    directions = " ".join(f"({_join(affine[:3, axis], ',')})" for axis in AXES)
    header = (
        "NRRD0004",
        f"type: {NRRD_TYPES[voxels.dtype.str[1:]][-1]}",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {_join(volume.data.shape)}",
        f"space directions: {directions}",
        "kinds: domain domain domain",
        "endian: little",
        "encoding: gzip",
        f"space origin: ({_join(affine[:3, 3], ',')})",
        'space units: "mm" "mm" "mm"',
        "",
        "",
    )
    return "\n".join(header).encode("ascii") + igzip.compress(voxels.tobytes(order="F"), COMPRESSION_LEVEL, mtime=0)


def encode_metaimage(volume: Volume) -> bytes:
    """Return a volume as .mha: packed with zlib, LPS+."""
    affine = LPS_TO_RAS @ volume.geometry.affine
    voxels = _little_endian(volume.data)
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    names = {code: name for name, code in reversed(METAIMAGE_TYPES.items())}
    packed = isal_zlib.compress(voxels.tobytes(order="F"), COMPRESSION_LEVEL)
    header = (
        "ObjectType = Image",
        "NDims = 3",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        "CompressedData = True",
        f"CompressedDataSize = {len(packed)}",
        f"TransformMatrix = {_join((affine[:3, :3] / steps).T.ravel())}",
        f"Offset = {_join(affine[:3, 3])}",
        f"ElementSpacing = {_join(steps)}",
        f"DimSize = {_join(volume.data.shape)}",
        f"ElementType = {names[voxels.dtype.str[1:]]}",
        "ElementDataFile = LOCAL",
        "",
    )
    return "\n".join(header).encode("ascii") + packed


def _little_endian(data: NDArray[Any]) -> NDArray[Any]:
    return data.astype(data.dtype.newbyteorder("<"), copy=False)


def _join(values: Any, between: str = " ") -> str:
    return between.join(repr(value.item() if isinstance(value, np.generic) else value) for value in values)
