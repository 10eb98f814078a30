"""Uploads that are nearly right: NIfTI with impossible headers, damaged bytes, broken gzip, strange form fields."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass, field
from typing import Any, Literal

import nibabel as nib
import numpy as np
from hypothesis import strategies as st

from tests.helpers.makers import sphere_volume

SMALL = sphere_volume(14.0, (20, 18, 22), off_centre_mm=(0.0, 0.0, 0.0))
INTEGERS = (-(2**63), -(2**31), -32768, -2, -1, 0, 1, 2, 3, 4, 7, 8, 16, 255, 352, 544, 32767, 2**31 - 1, 2**63 - 1)
FLOATS = (float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1e-45, 1e-6, 0.05, 0.4, 1.0, 3.1, -1.0, 1e9, 3.4e38)
TYPE_CODES = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2304, -1, 9999)
EXTENSIONS = (*[bytes(4)] * 6, b"\x01\0\0\0" + struct.pack("<ii", 16, 6) + bytes(8), b"\x01\xff\xff\xff")


@dataclass(frozen=True)
class Mutation:
    """One upload: the file, and the text fields beside it."""

    content: bytes = field(repr=False)
    fields: dict[str, str] = field(default_factory=dict)


@st.composite
def mutations(draw: st.DrawFn) -> Mutation:
    """Mostly one thing is wrong, sometimes several, sometimes nothing."""
    content = draw(st.one_of(_headers(), _headers(), _headers(), _headers(), _damaged(), st.binary(max_size=700)))
    content = draw(st.sampled_from((_as_is, _as_is, _packed, _packed_twice)))(content)
    if draw(st.integers(0, 9)) == 9:
        content = content[: draw(st.integers(0, len(content)))]
    return Mutation(content, draw(st.one_of(st.just({}), st.just({}), st.just({}), _fields())))


@st.composite
def _headers(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from((nib.Nifti1Header, nib.Nifti2Header)))
    order: Literal["<", ">"] = draw(st.sampled_from(("<", ">")))
    header = kind(endianness=order)  # type: ignore[no-untyped-call]
    dtype = draw(st.sampled_from((np.uint8, np.int16, np.float32, np.float64, np.uint16)))
    data = np.asarray(SMALL.data).astype(np.dtype(dtype).newbyteorder(order))
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    header.set_sform(SMALL.geometry.affine, code=1)
    header.set_qform(SMALL.geometry.affine, code=1)
    header.set_xyzt_units("mm")
    header["magic"] = b"n+1" if kind is nib.Nifti1Header else b"n+2"
    header["vox_offset"] = 352 if kind is nib.Nifti1Header else 544
    names = [name for name in header.keys() if name != "sizeof_hdr"]  # noqa: SIM118 - it is no mapping to iterate over
    for name in draw(st.lists(st.sampled_from(names), max_size=draw(st.sampled_from((0, 1, 1, 2, 4))))):
        header[name] = _value(draw, name, header.structarr[name])
    extension = draw(st.sampled_from(EXTENSIONS))
    return bytes(header.binaryblock) + extension + data.tobytes(order="F")


def _value(draw: st.DrawFn, name: str, now: Any) -> Any:
    if now.dtype.kind in "SV":
        return draw(st.binary(max_size=now.dtype.itemsize))
    if name == "datatype":
        return draw(st.sampled_from(TYPE_CODES))
    pool: Any
    if now.dtype.kind == "f":
        pool = st.one_of(st.sampled_from(FLOATS), st.floats(width=32))
    else:
        limits = np.iinfo(now.dtype)
        known = [value for value in INTEGERS if limits.min <= value <= limits.max]
        pool = st.one_of(st.sampled_from(known), st.integers(int(limits.min), int(limits.max)))
    if now.shape:
        changed = np.array(now)
        flat = changed.reshape(-1)
        for _ in range(draw(st.integers(1, 3))):
            flat[draw(st.integers(0, flat.size - 1))] = draw(pool)
        return changed
    return draw(pool)


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    content = bytearray(draw(_headers()))
    for position, value in draw(st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), max_size=6)):
        content[position] = value
    tail = draw(st.binary(max_size=20))
    return bytes(content) + tail


def _fields() -> st.SearchStrategy[dict[str, str]]:
    text = st.text(max_size=40)
    numbers = st.floats().map(str)
    triple = st.tuples(numbers, numbers, numbers).map(",".join)
    values = {
        "gestational_age_weeks": st.one_of(numbers, text),
        "subject": st.one_of(text, st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)),
        "spacing_mm": st.one_of(triple, st.just("2,2,2"), text),
    }
    return st.fixed_dictionaries({}, optional=values)


def _as_is(content: bytes) -> bytes:
    return content


def _packed(content: bytes) -> bytes:
    return gzip.compress(content, 1, mtime=0)


def _packed_twice(content: bytes) -> bytes:
    return _packed(content[: len(content) // 2]) + _packed(content[len(content) // 2 :])
