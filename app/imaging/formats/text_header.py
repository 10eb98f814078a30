"""Headers of NRRD and MetaImage files: lines of text before the voxels, and the numbers in them."""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

from app.imaging.errors import NotAVolumeFile, NotMeasurable, UnreadableFile
from app.imaging.volume import Index3

HEADER_BYTES = 1 << 16
LARGEST_SIZE = 1 << 31
VECTOR = re.compile(r"\(([^()]*)\)|none", re.IGNORECASE)


def read_sizes(text: str) -> list[int]:
    """Return whole numbers of at least 1; raise `bad_dimensions` for anything else."""
    words = text.split()
    if not words or not all(word.isascii() and word.isdecimal() and 1 <= len(word) <= 10 for word in words):
        raise UnreadableFile("bad_dimensions", "the header's dimensions are impossible", got=shorten(text))
    sizes = [int(word) for word in words]
    if not all(1 <= size < LARGEST_SIZE for size in sizes):
        raise UnreadableFile("bad_dimensions", "the header's dimensions are impossible", got=shorten(text))
    return sizes


def require_volume(sizes: list[int]) -> Index3:
    """Return the three axes of one volume; raise `NotMeasurable` for a picture and for several volumes."""
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes = sizes[:-1]
    got = " x ".join(map(str, sizes))
    if len(sizes) > 3:
        raise NotMeasurable(
            "several_volumes",
            f"the file holds {math.prod(sizes[3:])} volumes",
            expected="one volume of three axes (further axes of length 1 may follow them)",
            got=got,
            remedy="send one volume of the series",
        )
    if len(sizes) < 3 or 1 in sizes:
        raise NotMeasurable(
            "not_three_dimensional",
            "the file holds a picture, not a volume",
            expected="three axes of more than one voxel",
            got=got,
        )
    return sizes[0], sizes[1], sizes[2]


def read_numbers(text: str, name: str, count: int) -> NDArray[np.float64]:
    """Return exactly `count` numbers; raise `UnreadableFile` for other words and other counts."""
    words = text.replace(",", " ").split()
    try:
        numbers = np.array([float(word) for word in words], dtype=np.float64)
    except ValueError:
        numbers = np.empty(0)
    if numbers.size != count:
        raise UnreadableFile(
            "unreadable", f"the header's {name} cannot be understood", expected=f"{count} numbers", got=shorten(text)
        )
    return numbers


def detached(name: str) -> NotAVolumeFile:
    """Return the error for a header whose voxels lie in another file, which is never opened."""
    return NotAVolumeFile(
        "header_of_a_pair",
        "only the header was sent; it says that the voxels lie in another file",
        expected="header and voxels in one file",
        got=f"a header with the field {name}",
        remedy="save the scan as one file (.nrrd, .mha, .nii or .nii.gz), with the voxels in it",
    )


def unsupported_encoding(what: str, remedy: str) -> NotAVolumeFile:
    """Return the error for voxels that are stored in a way that is not read here."""
    return NotAVolumeFile("unsupported_encoding", what, remedy=remedy)


def shorten(text: str) -> str:
    """Return what may be shown of a header's numbers: digits and signs alone, never a word, which may be a name."""
    shown = re.sub(r"[^0-9+.,() -]", "?", text)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
