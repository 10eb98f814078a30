"""Every kind of file that must not be measured, and every unusual one that must be."""

import gzip
import io
from collections.abc import Callable
from typing import Any

import httpx
import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.helpers.enhanced_us import enhanced_us_bytes
from tests.helpers.kretz import Fan, kretz_bytes, kretz_items, pack_items, sphere_samples
from tests.helpers.makers import NiftiOptions, nifti_bytes, sphere_ml, sphere_volume, volume_bytes
from tests.helpers.service import assert_problem, post
from tests.helpers.text_formats import mha_bytes, nrrd_bytes
from tests.helpers.volume_files import encode_metaimage, encode_nrrd

SPHERE = sphere_volume()
GREY = np.asarray(SPHERE.data)
AFFINE = SPHERE.geometry.affine
RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


def bomb(megabytes: int) -> bytes:
    """A gzip of zeros behind a header that announces as many."""
    size = megabytes * 1_000_000 // 100
    header = nifti_bytes(
        np.zeros((1, 1, 1), np.uint8), AFFINE, NiftiOptions(edits={"dim": [3, 100, 100, 100, 1, 1, 1, 1]})
    )
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=9, mtime=0) as packed:
        packed.write(header[:352])
        for _ in range(100):
            packed.write(bytes(size))
    return file.getvalue()


def with_value(value: float) -> NDArray[np.float32]:
    voxels = GREY.astype(np.float32)
    voxels[30, 30, 30] = value
    return voxels


def sheared() -> NDArray[Any]:
    affine = AFFINE.copy()
    affine[0, 1] = 0.7
    return affine


def singular() -> NDArray[Any]:
    affine = AFFINE.copy()
    affine[:3, 2] = affine[:3, 1]
    return affine


def contradicting() -> bytes:
    """A qform that is turned against the sform."""
    half = np.sqrt(0.5)
    return volume_bytes(SPHERE, NiftiOptions(edits={"quatern_b": half, "quatern_c": 0.0, "quatern_d": 0.0}))


def kretz_without(*left_out: tuple[int, int]) -> bytes:
    items = kretz_items(sphere_samples(Fan()), Fan())
    return pack_items({tag: content for tag, content in items.items() if tag not in left_out})


REFUSED: dict[str, tuple[int, str, Callable[[], bytes]]] = {
    "no bytes": (400, "empty_file", lambda: b""),
    "truncated gzip": (400, "truncated_gzip", lambda: volume_bytes(SPHERE, NiftiOptions(compress=True))[:-4000]),
    "damaged gzip": (400, "damaged_gzip", lambda: b"\x1f\x8b\x08\x00" + bytes(range(256)) * 8),
    "truncated voxels": (400, "truncated", lambda: volume_bytes(SPHERE)[:-1]),
    "header alone": (400, "truncated", lambda: volume_bytes(SPHERE)[:352]),
    "impossible dimensions": (
        400,
        "bad_dimensions",
        lambda: volume_bytes(SPHERE, NiftiOptions(edits={"dim": [3, -5, 56, 60, 1, 1, 1, 1]})),
    ),
    "gzip bomb behind a small header": (400, "excess_bytes", lambda: bomb(300)),
    "too many voxels": (
        413,
        "too_many_voxels",
        lambda: volume_bytes(SPHERE, NiftiOptions(edits={"dim": [3, 2000, 2000, 2000, 1, 1, 1, 1]})),
    ),
    "text": (415, "not_nifti", lambda: b"name,volume\n" * 100),
    "a picture": (415, "not_nifti", lambda: b"\x89PNG\r\n\x1a\n" + bytes(500)),
    "detached NRRD header": (415, "header_of_a_pair", lambda: nrrd_bytes(GREY, {"data file": "/etc/hostname"})),
    "detached MetaImage header": (415, "header_of_a_pair", lambda: mha_bytes(GREY, {"ElementDataFile": "head.raw"})),
    "NRRD as text": (415, "unsupported_encoding", lambda: nrrd_bytes(GREY, {"encoding": "ascii"})),
    "NRRD of two volumes": (422, "several_volumes", lambda: nrrd_bytes(np.stack([GREY, GREY], axis=-1))),
    "compressed Kretz": (415, "unsupported_encoding", lambda: kretz_without((0xD000, 1))),
    "Kretz without angles": (422, "no_spacing", lambda: kretz_without((0xC300, 1), (0xC300, 2))),
    "wrong magic": (415, "wrong_magic", lambda: volume_bytes(SPHERE, NiftiOptions(edits={"magic": b"abc"}))),
    "header of a pair": (415, "header_of_a_pair", lambda: volume_bytes(SPHERE, NiftiOptions(edits={"magic": b"ni1"}))),
    "2D": (422, "not_three_dimensional", lambda: nifti_bytes(GREY[:, :, 30], AFFINE)),
    "2D with a trailing 1": (422, "not_three_dimensional", lambda: nifti_bytes(GREY[:, :, 30:31], AFFINE)),
    "4D": (422, "several_volumes", lambda: nifti_bytes(np.stack([GREY, GREY], axis=-1), AFFINE)),
    "RGB": (422, "unsupported_type", lambda: nifti_bytes(np.zeros((20, 20, 20), RGB), AFFINE)),
    "complex": (422, "unsupported_type", lambda: nifti_bytes(GREY.astype(np.complex64), AFFINE)),
    "NaN": (422, "not_finite", lambda: nifti_bytes(with_value(np.nan), AFFINE)),
    "infinite": (422, "not_finite", lambda: nifti_bytes(with_value(np.inf), AFFINE)),
    "all zero": (422, "empty_image", lambda: nifti_bytes(np.zeros_like(GREY), AFFINE)),
    "constant": (422, "constant_image", lambda: nifti_bytes(np.full_like(GREY, 7), AFFINE)),
    "3x3x3": (422, "too_small", lambda: nifti_bytes(GREY[:3, :3, :3], AFFINE)),
    "60 cm": (422, "extent_too_large", lambda: nifti_bytes(np.resize(GREY, (200, 40, 40)), np.diag([3.0, 3, 3, 1]))),
    "bytes after the gzip stream": (
        400,
        "excess_bytes",
        lambda: volume_bytes(SPHERE, NiftiOptions(compress=True)) + b"0123456789",
    ),
    "singular affine": (422, "affine_singular", lambda: nifti_bytes(GREY, singular(), NiftiOptions(qform_code=0))),
    "sheared affine": (422, "affine_sheared", lambda: nifti_bytes(GREY, sheared(), NiftiOptions(qform_code=0))),
    "qform against sform": (422, "qform_sform_disagree", contradicting),
    "no spacing": (
        422,
        "no_spacing",
        lambda: volume_bytes(SPHERE, NiftiOptions(sform_code=0, qform_code=0, edits={"pixdim": [1.0] * 8})),
    ),
    "spacing of a telescope": (422, "spacing_out_of_range", lambda: nifti_bytes(GREY, np.diag([9.0, 9, 9, 1]))),
    "spacing of a microscope": (422, "spacing_out_of_range", lambda: nifti_bytes(GREY, np.diag([0.01, 0.01, 0.01, 1]))),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_with_its_status_and_a_remedy(shared_client: httpx.Client, case: str) -> None:
    status, code, content = REFUSED[case]
    assert_problem(post(shared_client, content()), status, code)


def scaled(spacing_mm: float) -> NDArray[Any]:
    return np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])


def oblique() -> NDArray[Any]:
    c, s = np.cos(0.4), np.sin(0.4)
    turn = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    return np.asarray(turn @ AFFINE)


MEASURED: dict[str, Callable[[], bytes]] = {
    "gzipped": lambda: volume_bytes(SPHERE, NiftiOptions(compress=True)),
    "NIfTI-2": lambda: volume_bytes(SPHERE, NiftiOptions(version=2)),
    "big-endian": lambda: nifti_bytes(GREY.astype(np.int16), AFFINE, NiftiOptions(endianness=">")),
    "trailing 1": lambda: nifti_bytes(GREY[..., None], AFFINE),
    "int16 with slope": lambda: nifti_bytes(GREY.astype(np.int16), AFFINE, NiftiOptions(slope=0.01, intercept=-5.0)),
    "float64": lambda: nifti_bytes(GREY.astype(np.float64) * 1e-3, AFFINE),
    "unknown units": lambda: volume_bytes(SPHERE, NiftiOptions(units="unknown")),
    "micrometres": lambda: nifti_bytes(GREY, scaled(2000.0), NiftiOptions(units="micron")),
    "metres": lambda: nifti_bytes(GREY, scaled(0.002), NiftiOptions(units="meter")),
    "oblique": lambda: nifti_bytes(GREY, oblique()),
    "negative determinant": lambda: nifti_bytes(GREY, AFFINE @ np.diag([-1.0, 1, 1, 1])),
    "flipped": lambda: nifti_bytes(np.asfortranarray(GREY[::-1, :, ::-1]), AFFINE),
    "other axis order": lambda: nifti_bytes(np.asfortranarray(GREY.transpose(2, 0, 1)), AFFINE),
    "anisotropic": lambda: volume_bytes(sphere_volume(shape=(128, 56, 50), spacing_mm=(1.0, 2.0, 2.4))),
    "qform alone": lambda: volume_bytes(SPHERE, NiftiOptions(sform_code=0)),
    "NRRD": lambda: nrrd_bytes(GREY),
    "gzipped NRRD": lambda: encode_nrrd(SPHERE),
    "MetaImage": lambda: mha_bytes(GREY),
    "packed MetaImage": lambda: encode_metaimage(SPHERE),
    "Enhanced US Volume": lambda: enhanced_us_bytes(SPHERE, range(60)[::-1]),
}


@pytest.mark.parametrize("case", MEASURED)
def test_it_measures_the_same(shared_client: httpx.Client, case: str) -> None:
    answer = post(shared_client, MEASURED[case]())
    assert answer.status_code == 200, answer.text
    assert answer.json()["head_volume_ml"] == pytest.approx(sphere_ml(), rel=0.01)


def unplaced() -> bytes:
    """A sphere of 38.4 mm, exported without its spacing of 2 mm."""
    return nifti_bytes(GREY, np.eye(4))


def test_a_placeholder_for_a_spacing_is_never_ok(shared_client: httpx.Client) -> None:
    large = sphere_volume(38.4, (96, 96, 96), (1.0, 1.0, 1.0))
    report = post(shared_client, nifti_bytes(np.asarray(large.data), np.eye(4))).json()
    assert report["head_volume_ml"] == pytest.approx(sphere_ml(), rel=0.01)
    assert report["verdict"] == "review"
    assert report["flags"][0]["code"] == "spacing_suspicious"
    assert post(shared_client, volume_bytes(large)).json()["verdict"] == "ok"


def test_the_size_of_a_kretz_file_is_for_review(shared_client: httpx.Client) -> None:
    fan = Fan((120, 90, 80), radial_step=1.0)
    report = post(shared_client, kretz_bytes(fan)).json()
    assert report["head_volume_ml"] == pytest.approx(sphere_ml(), rel=0.01)
    assert (report["verdict"], report["flags"][0]["code"]) == ("review", "geometry_from_kretz")
    assert report["input"]["spacing_mm"] == [1.0, 1.0, 1.0]


def test_the_grounds_of_a_rejection_come_first(shared_client: httpx.Client) -> None:
    report = post(shared_client, unplaced()).json()
    assert report["verdict"] == "reject"
    codes = [flag["code"] for flag in report["flags"]]
    assert (codes[0], codes[-1]) == ("implausible_volume", "spacing_suspicious")


def test_a_spacing_sent_along_takes_the_place_of_the_placeholder(shared_client: httpx.Client) -> None:
    report = post(shared_client, unplaced(), spacing_mm="2,2,2").json()
    assert report["head_volume_ml"] == pytest.approx(sphere_ml(), rel=0.01)
    assert report["verdict"] == "ok"
    assert [flag["code"] for flag in report["flags"]] == ["spacing_supplied"]
    mask = nib.Nifti1Image.from_bytes(gzip.decompress(shared_client.get(report["mask"]).content))
    edited = shared_client.put(report["mask"], content=nifti_bytes(np.asarray(mask.dataobj), np.eye(4)))
    assert edited.json()["head_volume_ml"] == pytest.approx(report["head_volume_ml"], abs=0.01)


def test_the_unit_that_was_assumed_is_named(shared_client: httpx.Client) -> None:
    report = post(shared_client, MEASURED["unknown units"]()).json()
    assert "units_assumed" in [flag["code"] for flag in report["flags"]]
