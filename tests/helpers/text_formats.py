"""NRRD and MetaImage files of any kind: right ones, and ones with a field changed, added or left out."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Fields = Mapping[str, str | None]
"""Fields of a header that replace or follow the usual ones; None leaves one out."""


def nrrd_bytes(data: NDArray[Any], fields: Fields | None = None, spacing: tuple[float, ...] = (2.0, 2.0, 2.0)) -> bytes:
    """Return .nrrd, LPS, axis-aligned; the encoding `gzip` packs the voxels, every other one stores them."""
    vectors = " ".join(f"({','.join(str(v) for v in row)})" for row in np.diag(spacing))
    usual: dict[str, str | None] = {
        "type": {"u1": "uint8", "i2": "int16", "f4": "float", "f8": "double"}[data.dtype.str[1:]],
        "dimension": str(data.ndim),
        "space": "left-posterior-superior",
        "sizes": " ".join(map(str, data.shape)),
        "space directions": vectors,
        "space origin": "(10,20,30)",
        "endian": "little",
        "encoding": "raw",
    }
    usual.update(fields or {})
    lines = ["NRRD0004", "# written by a test", *(f"{k}: {v}" for k, v in usual.items() if v is not None), "", ""]
    stored = data.tobytes(order="F")
    return "\n".join(lines).encode() + (gzip.compress(stored, 1, mtime=0) if usual["encoding"] == "gzip" else stored)


def mha_bytes(data: NDArray[Any], fields: Fields | None = None, spacing: tuple[float, ...] = (2.0, 2.0, 2.0)) -> bytes:
    """Return .mha, LPS, axis-aligned; `CompressedData = True` packs the voxels."""
    usual: dict[str, str | None] = {
        "ObjectType": "Image",
        "NDims": str(data.ndim),
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        "TransformMatrix": " ".join(f"{v:g}" for v in np.eye(data.ndim).ravel()),
        "Offset": " ".join(["10"] * data.ndim),
        "ElementSpacing": " ".join(map(str, spacing)),
        "DimSize": " ".join(map(str, data.shape)),
        "ElementType": {"u1": "MET_UCHAR", "i2": "MET_SHORT", "f4": "MET_FLOAT", "f8": "MET_DOUBLE"}[
            data.dtype.str[1:]
        ],
    }
    usual.update(fields or {})
    last = usual.pop("ElementDataFile", "LOCAL")
    lines = [f"{k} = {v}" for k, v in usual.items() if v is not None]
    lines += [] if last is None else [f"ElementDataFile = {last}"]
    stored = data.tobytes(order="F")
    packed = zlib.compress(stored, 1) if usual["CompressedData"] == "True" else stored
    return "\n".join([*lines, ""]).encode() + packed
