"""An upload's bytes as one stream, unpacked on demand and never beyond a limit."""

from __future__ import annotations

from typing import Literal

import numpy as np
from isal import igzip_lib
from numpy.typing import NDArray

from app.imaging.errors import TooLarge, UnreadableFile

GZIP_MAGIC = b"\x1f\x8b"
INPUT_CHUNK = 1 << 20
OUTPUT_CHUNK = 4 << 20
Packing = Literal["none", "gzip", "zlib"]
SEND_AGAIN = "write the file again and compare its checksum before sending it"


class ByteStream:
    """The payload, decompressed where it is packed; its only state is the reading position."""

    def __init__(self, payload: bytes | memoryview, max_bytes: int, packing: Packing | None = None) -> None:
        """Begin at the payload's start; nothing is unpacked yet. By default it is gzip where it begins so."""
        if packing is None:
            packing = "gzip" if payload[:2] == GZIP_MAGIC else "none"
        self._payload = memoryview(payload)
        self._position = 0
        self._max_bytes = max_bytes
        self._served = 0
        self._packing = packing
        self._unpacker = None if packing == "none" else _make_unpacker(packing)

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end; raise `UnreadableFile` or `TooLarge`."""
        buffer = np.empty(size, dtype=np.uint8)
        return buffer[: self.read_into(buffer)].tobytes()

    def read_into(self, buffer: NDArray[np.uint8]) -> int:
        """Fill the buffer with the next bytes; return how many there were."""
        filled = 0
        while filled < buffer.size:
            piece = self._read_next(min(buffer.size - filled, OUTPUT_CHUNK))
            if not piece:
                break
            buffer[filled : filled + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
            filled += len(piece)
        return filled

    def skip_rest(self) -> int:
        """Read to the end, which checks gzip's own checksum; return how many bytes there were."""
        skipped = 0
        while piece := self._read_next(OUTPUT_CHUNK):
            skipped += len(piece)
        return skipped

    def _read_next(self, size: int) -> bytes | memoryview:
        piece = self._read_stored(size) if self._unpacker is None else self._unpack(size)
        self._served += len(piece)
        if self._served > self._max_bytes:
            raise TooLarge(
                "unpacks_too_large",
                "the file unpacks to more than is accepted",
                expected=f"at most {self._max_bytes} bytes",
                remedy="store the volume as 8-bit integers, or crop it",
            )
        return piece

    def _read_stored(self, size: int) -> memoryview:
        piece = self._payload[self._position : self._position + size]
        self._position += len(piece)
        return piece

    def _unpack(self, size: int) -> bytes:
        """Return up to `size` unpacked bytes, none at the end; a file may hold several gzip members."""
        try:
            while self._unpacker is not None:
                if self._unpacker.eof:
                    self._begin_next_member(self._unpacker)
                elif piece := self._unpacker.decompress(self._take_input(self._unpacker), size):
                    return piece
        except igzip_lib.IsalError as error:  # type: ignore[misc]  # isal's stub declares an instance, not a class
            raise UnreadableFile("damaged_gzip", f"the {self._packing} stream is damaged", remedy=SEND_AGAIN) from error
        return b""

    def _take_input(self, unpacker: igzip_lib.IgzipDecompressor) -> bytes:
        if not unpacker.needs_input:
            return b""
        piece = self._read_stored(INPUT_CHUNK)
        if not piece:
            raise UnreadableFile("truncated_gzip", f"the {self._packing} stream ends early", remedy=SEND_AGAIN)
        return bytes(piece)

    def _begin_next_member(self, unpacker: igzip_lib.IgzipDecompressor) -> None:
        self._position -= len(unpacker.unused_data)
        rest = len(self._payload) - self._position
        if not np.frombuffer(self._payload[self._position :], dtype=np.uint8).any():
            rest = 0  # zeros: a tape, or a copy by blocks, fills up its last one
        follows = bytes(self._payload[self._position : self._position + 2])
        if rest and not (self._packing == "gzip" and follows == GZIP_MAGIC):
            raise UnreadableFile(
                "excess_bytes",
                f"the file goes on after its {self._packing} stream",
                got=f"{rest} more bytes",
                remedy=SEND_AGAIN,
            )
        self._unpacker = _make_unpacker(self._packing) if rest else None


def _make_unpacker(packing: Packing) -> igzip_lib.IgzipDecompressor:
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP if packing == "gzip" else igzip_lib.DECOMP_ZLIB)
