"""The voxels of a file, in full and nothing besides."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.imaging.errors import UnreadableFile
from app.imaging.formats.stream import SEND_AGAIN, ByteStream
from app.imaging.volume import Index3


def read_voxels(stream: ByteStream, dtype: np.dtype[Any], shape: Index3) -> NDArray[Any]:
    """Return the array (I, J, K), stored with I fastest; `UnreadableFile` where the stream holds less or more."""
    expected = math.prod(shape) * dtype.itemsize
    buffer = np.empty(expected, dtype=np.uint8)
    found = stream.read_into(buffer)
    if found < expected:
        raise UnreadableFile(
            "truncated",
            "the file has a header but no voxels" if found == 0 else "the file ends before its last voxel",
            expected=f"{expected} bytes of voxels",
            got=f"{found}",
            remedy=SEND_AGAIN,
        )
    if excess := stream.skip_rest():
        raise UnreadableFile(
            "excess_bytes", "the file holds more than its header announces", got=f"{excess} more bytes"
        )
    return np.ndarray(shape, dtype=dtype, buffer=buffer.data, order="F")
