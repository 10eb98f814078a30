import random
import struct
from collections.abc import Callable

import numpy as np
import pytest

from app.imaging.errors import ImagingError, NotAVolumeFile, NotMeasurable, TooLarge, UnreadableFile
from app.imaging.formats.checks import DecodeLimits
from app.imaging.formats.kretz import decode_kretz
from app.imaging.postprocess import head_volume_ml
from tests.helpers.kretz import MAGIC, Fan, kretz_bytes, kretz_items, pack_items, sphere_samples
from tests.helpers.makers import HEAD, TISSUE, sphere_ml

LIMITS = DecodeLimits()
SMALL = Fan(shape=(40, 14, 12), radial_step=3.0)
MUTATIONS = 1000

Items = dict[tuple[int, int], bytes]


@pytest.mark.parametrize(
    "fan",
    [
        Fan(),
        Fan(middle_deg=94.0),
        Fan(middle_deg=0.0),
        Fan(sweep_offset=-6.0),
        Fan((120, 90, 70), radial_step=1.0),
        Fan(first_radius=20.0, sweep_offset=10.0, radial_step=2.4, theta_deg=50.0, phi_deg=42.0),
    ],
    ids=str,
)
def test_a_sphere_has_its_own_volume(fan: Fan) -> None:
    file = decode_kretz(kretz_bytes(fan), LIMITS)
    found = head_volume_ml(file.volume.data > (HEAD + TISSUE) / 2, file.volume.geometry)
    assert found == pytest.approx(sphere_ml(), rel=0.006)


def test_it_is_a_volume_of_bytes_with_black_outside_the_fan_only() -> None:
    black_and_white = np.where(sphere_samples(Fan()) > 100, 200, 0).astype(np.uint8)
    data = decode_kretz(kretz_bytes(samples=black_and_white), LIMITS).volume.data
    assert data.dtype == np.uint8
    assert (data[0, 0, 0], data[-1, -1, -1]) == (0, 0)
    assert (data == 1).sum() > (data == 200).sum() > 20_000


def test_the_size_is_in_doubt() -> None:
    file = decode_kretz(kretz_bytes(), LIMITS)
    assert ([flag.code for flag in file.flags], file.verdict) == (["geometry_from_kretz"], "review")
    assert "off centre" not in file.flags[0].detail
    oblique = decode_kretz(kretz_bytes(Fan(middle_deg=94.0)), LIMITS)
    assert "4.0 degrees off centre" in oblique.flags[0].detail
    assert np.array_equal(oblique.volume.data, file.volume.data)


def test_the_order_of_the_items_and_unknown_ones_do_not_matter() -> None:
    items = kretz_items(sphere_samples(SMALL), SMALL)
    more = {(0xD000, 0x0201): b"doppler", **dict(reversed(items.items())), (0xFFFF, 0xFFFF): b""}
    plain, other = (decode_kretz(pack_items(each), LIMITS).volume for each in (items, more))
    assert np.array_equal(plain.data, other.data)
    assert plain.geometry == other.geometry


def test_the_mask_gets_the_header_of_the_grid() -> None:
    file = decode_kretz(kretz_bytes(), LIMITS)
    assert file.header.shape == file.volume.data.shape
    assert file.header.sform_code == 1


def changed(**changes: bytes | None) -> Callable[[], bytes]:
    """A file whose items, named as in t_C000_0001, are replaced or left out."""

    def make() -> bytes:
        items = kretz_items(sphere_samples(SMALL), SMALL)
        for name, content in changes.items():
            tag = (int(name[2:6], 16), int(name[7:], 16))
            if content is None:
                del items[tag]
            else:
                items[tag] = content
        return pack_items(items)

    return make


VOXELS = 40 * 14 * 12
REFUSED: dict[str, tuple[Callable[[], bytes], type[ImagingError], str, str]] = {
    "compressed": (changed(t_D000_0001=None), NotAVolumeFile, "unsupported_encoding", "wavelet compression: none"),
    "over time": (
        changed(t_D000_0001=None, t_D600_0001=bytes(3 * VOXELS)),
        NotMeasurable,
        "several_volumes",
        "3 volumes",
    ),
    "over time, compressed": (
        changed(t_D000_0001=None, t_D600_0001=bytes(100)),
        NotMeasurable,
        "several_volumes",
        "several volumes",
    ),
    "another version": (lambda: b"KRETZFILE 2.0   " + bytes(99), NotAVolumeFile, "unsupported_encoding", "1.0"),
    "cut": (lambda: kretz_bytes()[:-5], UnreadableFile, "truncated", "D000"),
    "the magic alone": (lambda: MAGIC, UnreadableFile, "unreadable", "C000"),
    "no angles": (changed(t_C300_0001=None, t_C300_0002=None), NotMeasurable, "no_spacing", "spacing_mm"),
    "angles of one axis": (changed(t_C300_0001=None), UnreadableFile, "unreadable", "C300,0001"),
    "too few angles": (changed(t_C300_0002=bytes(8 * 3)), UnreadableFile, "unreadable", "C300,0002"),
    "too many angles": (changed(t_C300_0002=bytes(8 * 99)), UnreadableFile, "unreadable", "C300,0002"),
    "angles of zero": (changed(t_C300_0002=bytes(8 * 14)), NotMeasurable, "impossible_beams", "rising"),
    "no radial step": (changed(t_C100_0001=None), UnreadableFile, "unreadable", "C100,0001"),
    "a step that is no number": (changed(t_C100_0001=b"\xff" * 8), NotMeasurable, "impossible_beams", "probe"),
    "a step of metres": (changed(t_C100_0001=struct.pack("<d", 8.0)), NotMeasurable, "impossible_beams", "probe"),
    "far too deep": (
        changed(t_C100_0001=struct.pack("<d", 0.012), t_C200_0001=bytes(8), t_C200_0002=bytes(8)),
        NotMeasurable,
        "spacing_out_of_range",
        "mm",
    ),
    "no beams": (changed(t_C000_0002=bytes(2)), UnreadableFile, "bad_dimensions", "40 x 0 x 12"),
    "a picture": (
        changed(t_C000_0003=b"\1\0", t_D000_0001=bytes(40 * 14)),
        NotMeasurable,
        "not_three_dimensional",
        "picture",
    ),
    "too few voxels": (changed(t_D000_0001=bytes(99)), UnreadableFile, "truncated", "99"),
    "too many voxels": (changed(t_D000_0001=bytes(VOXELS + 1)), UnreadableFile, "excess_bytes", str(VOXELS)),
    "black": (changed(t_D000_0001=bytes(VOXELS)), NotMeasurable, "empty_image", "0"),
    "two truths": (
        lambda: changed()() + struct.pack("<HHIH", 0xC000, 1, 2, 17),
        UnreadableFile,
        "unreadable",
        "C000,0001",
    ),
    "items without end": (lambda: MAGIC + bytes(8 * 30_000), UnreadableFile, "unreadable", "items"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_the_way_out(name: str) -> None:
    make, kind, code, said = REFUSED[name]
    with pytest.raises(kind) as caught:
        decode_kretz(make(), LIMITS)
    assert caught.value.code == code
    assert said in str(caught.value)


def test_limits_hold_before_anything_is_converted() -> None:
    with pytest.raises(TooLarge) as caught:
        decode_kretz(kretz_bytes(), DecodeLimits(max_voxels=1000))
    assert caught.value.code == "too_many_voxels"
    coarse = decode_kretz(kretz_bytes(SMALL), DecodeLimits(max_voxels=7000, spacing_mm=(0.1, 20.0)))
    assert 3000 < coarse.volume.data.size <= 1.5 * 7000


def test_a_file_without_angles_takes_the_spacing_that_comes_with_it() -> None:
    payload = changed(t_C300_0001=None, t_C300_0002=None)()
    file = decode_kretz(payload, LIMITS, (2.0, 2.0, 2.5))
    assert (file.volume.data.shape, file.volume.geometry.spacing_mm) == ((40, 14, 12), (2.0, 2.0, 2.5))
    assert [flag.code for flag in file.flags] == ["spacing_supplied"]


def test_no_spacing_may_come_with_beams() -> None:
    with pytest.raises(NotMeasurable) as caught:
        decode_kretz(kretz_bytes(), LIMITS, (1.0, 1.0, 1.0))
    assert caught.value.code == "spacing_contradicts_file"


def test_mutated_files_are_read_or_refused_and_tell_no_name() -> None:
    plain = kretz_bytes(SMALL, name=b"DOE^JANE" * 4)
    outcomes = {"read": 0, "refused": 0}
    for seed in range(MUTATIONS):
        try:
            file = decode_kretz(mutate(plain, random.Random(seed)), LIMITS)
            said = str(file.flags)
            outcomes["read"] += 1
        except ImagingError as error:
            said = f"{error} {error.code}"
            outcomes["refused"] += 1
        assert "DOE" not in said
        assert "JANE" not in said
    assert min(outcomes.values()) > 20, outcomes


def mutate(plain: bytes, rng: random.Random) -> bytes:
    """Change a few bytes of the header's part, or leave out, double, shorten or lengthen something."""
    content = bytearray(plain)
    header = len(plain) - VOXELS
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(MAGIC) if rng.random() < 0.9 else 0, header)
        kind = rng.randrange(4)
        if kind < 2:
            content[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            del content[at : at + rng.randrange(1, 40)]
        else:
            content[at:at] = content[at : at + rng.randrange(1, 40)]
    if rng.random() < 0.1:
        del content[rng.randrange(len(content)) :]
    return bytes(content)
