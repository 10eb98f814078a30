"""NRRD and MetaImage: what is read, with what spacing and in what order; what is refused, and with what remedy."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from app.contract.upload import SPACING_SUPPLIED, SPACING_SUSPICIOUS
from app.imaging.errors import ImagingError, NotAVolumeFile, NotMeasurable, TooLarge, UnreadableFile
from app.imaging.formats.checks import DecodeLimits
from app.imaging.formats.registry import decode_volume
from app.imaging.nifti.file import decode_nifti, encode_nifti, encode_volume
from app.imaging.volume import Volume, VolumeGeometry
from tests.helpers.geometries import oblique
from tests.helpers.text_formats import Fields, mha_bytes, nrrd_bytes
from tests.helpers.volume_files import encode_metaimage, encode_nrrd

SHAPE = (16, 18, 20)
GREY = np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8)
SCAN = Volume(GREY, VolumeGeometry(SHAPE, oblique((2.0, 1.9, 1.8))))
SPACING = (2.0, 1.5, 1.25)
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
WRITERS = {"nii.gz": encode_volume, "nrrd": encode_nrrd, "mha": encode_metaimage}


def nrrd(**fields: str | None) -> bytes:
    return nrrd_bytes(GREY, {name.replace("_", " "): value for name, value in fields.items()})


def mha(**fields: str | None) -> bytes:
    return mha_bytes(GREY, fields)


@pytest.mark.parametrize("ending", WRITERS)
def test_an_independent_reader_finds_the_same_grid_and_voxels(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"scan.{ending}"
    path.write_bytes(WRITERS[ending](SCAN))
    image = SimpleITK.ReadImage(str(path))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image).transpose(), GREY)
    np.testing.assert_allclose(LPS @ affine_of(image), SCAN.geometry.affine, atol=1e-5)


@pytest.mark.parametrize("ending", ["nrrd", "mha", "nii.gz"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_what_an_independent_writer_wrote_is_read(ending: str, compressed: bool, dtype: Any, tmp_path: Path) -> None:
    image: Any = SimpleITK.GetImageFromArray(GREY.astype(dtype).transpose())
    placed = LPS @ SCAN.geometry.affine
    steps = np.linalg.norm(placed[:3, :3], axis=0)
    image.SetSpacing(steps.tolist())
    image.SetDirection((placed[:3, :3] / steps).ravel().tolist())
    image.SetOrigin(placed[:3, 3].tolist())
    SimpleITK.WriteImage(image, str(tmp_path / f"scan.{ending}"), useCompression=compressed)
    file = decode_volume((tmp_path / f"scan.{ending}").read_bytes())
    np.testing.assert_array_equal(file.volume.data, GREY.astype(dtype))
    np.testing.assert_allclose(file.volume.geometry.affine, SCAN.geometry.affine, atol=1e-4)
    assert file.flags == ()
    assert file.verdict == "ok"


def affine_of(image: Any) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return affine


@pytest.mark.parametrize("ending", WRITERS)
def test_the_mask_lies_on_the_grid_of_the_scan(ending: str) -> None:
    file = decode_volume(WRITERS[ending](SCAN))
    mask = decode_nifti(encode_nifti((GREY > 99).astype(np.uint8), file.header))
    np.testing.assert_allclose(mask.volume.geometry.affine, SCAN.geometry.affine, atol=1e-5)
    assert (mask.header.sform_code, mask.header.qform_code) == (1, 1)


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("left-posterior-superior", (-1, -1, 1)),
        ("LPS", (-1, -1, 1)),
        ("RAS", (1, 1, 1)),
        ("left-anterior-superior", (-1, 1, 1)),
        ("scanner-xyz", (1, 1, 1)),
        (None, (1, 1, 1)),
    ],
)
def test_a_named_space_is_turned_into_ours(space: str | None, signs: tuple[int, ...]) -> None:
    geometry = decode_volume(nrrd_bytes(GREY, {"space": space}, SPACING)).volume.geometry
    expected = np.diag([*SPACING, 1.0])
    expected[:3, 3] = (10, 20, 30)
    np.testing.assert_allclose(geometry.affine, np.diag([*signs, 1.0]) @ expected)


def test_spacings_alone_and_other_units_are_read() -> None:
    bare: Fields = {"space": None, "space directions": None, "space origin": None}
    plain = decode_volume(nrrd_bytes(GREY, {**bare, "spacings": "2 1.5 1.25"})).volume
    assert plain.geometry.spacing_mm == SPACING
    centimetres = decode_volume(nrrd_bytes(GREY, {**bare, "spacings": "0.2 0.15 0.125", "units": '"cm" "cm" "cm"'}))
    assert centimetres.volume.geometry.spacing_mm == SPACING


@pytest.mark.parametrize("make", [nrrd_bytes, mha_bytes])
@pytest.mark.parametrize("order", ["little", "big"])
def test_both_byte_orders_are_read(make: Callable[..., bytes], order: str) -> None:
    data = (GREY.astype(np.int16) * 100).astype(">i2" if order == "big" else "<i2")
    fields = {"endian": order} if make is nrrd_bytes else {"BinaryDataByteOrderMSB": str(order == "big")}
    np.testing.assert_array_equal(decode_volume(make(data, fields)).volume.data, GREY.astype(np.int16) * 100)


@pytest.mark.parametrize("packed", [nrrd(encoding="gzip"), mha(CompressedData="True"), nrrd(), mha()])
def test_packed_or_not_it_is_the_same(packed: bytes) -> None:
    np.testing.assert_array_equal(decode_volume(packed).volume.data, GREY)


def test_raw_voxels_that_begin_as_gzip_does_are_voxels() -> None:
    data = GREY.copy()
    data[:2, 0, 0] = (0x1F, 0x8B)
    np.testing.assert_array_equal(decode_volume(nrrd_bytes(data)).volume.data, data)
    np.testing.assert_array_equal(decode_volume(mha_bytes(data)).volume.data, data)


REFUSED: dict[str, tuple[Callable[[], bytes], type[ImagingError], str]] = {
    "NRRD that names a file": (lambda: nrrd(data_file="/etc/hostname"), NotAVolumeFile, "header_of_a_pair"),
    "NRRD that names files": (lambda: nrrd(data_file="LIST"), NotAVolumeFile, "header_of_a_pair"),
    "NRRD that names one in an old way": (lambda: nrrd(datafile="x.raw"), NotAVolumeFile, "header_of_a_pair"),
    "MetaImage that names a file": (lambda: mha(ElementDataFile="/etc/hostname"), NotAVolumeFile, "header_of_a_pair"),
    "MetaImage that names a list": (lambda: mha(ElementDataFile="LIST"), NotAVolumeFile, "header_of_a_pair"),
    "NRRD without an end": (lambda: nrrd().partition(b"\n\n")[0], UnreadableFile, "truncated"),
    "MetaImage without an end": (lambda: mha(ElementDataFile=None), UnreadableFile, "truncated"),
    "NRRD that ends early": (lambda: nrrd()[:-1], UnreadableFile, "truncated"),
    "MetaImage that ends early": (lambda: mha()[:-1], UnreadableFile, "truncated"),
    "NRRD with more": (lambda: nrrd() + b"x", UnreadableFile, "excess_bytes"),
    "MetaImage with more": (lambda: mha() + b"x", UnreadableFile, "excess_bytes"),
    "packed NRRD that ends early": (lambda: nrrd(encoding="gzip")[:-9], UnreadableFile, "truncated_gzip"),
    "packed MetaImage that ends early": (lambda: mha(CompressedData="True")[:-9], UnreadableFile, "truncated_gzip"),
    "packed MetaImage with more": (lambda: mha(CompressedData="True") + b"abc", UnreadableFile, "excess_bytes"),
    "rubbish that should be packed": (lambda: nrrd()[:-50].replace(b"raw", b"gzip"), UnreadableFile, "damaged_gzip"),
    "NRRD as text": (lambda: nrrd(encoding="ascii"), NotAVolumeFile, "unsupported_encoding"),
    "NRRD as bzip2": (lambda: nrrd(encoding="bzip2"), NotAVolumeFile, "unsupported_encoding"),
    "NRRD that skips": (lambda: nrrd(byte_skip="12"), NotAVolumeFile, "unsupported_encoding"),
    "MetaImage as text": (lambda: mha(BinaryData="False"), NotAVolumeFile, "unsupported_encoding"),
    "MetaImage that skips": (lambda: mha(HeaderSize="-1"), NotAVolumeFile, "unsupported_encoding"),
    "NRRD of blocks": (lambda: nrrd(type="block"), UnreadableFile, "unknown_type"),
    "MetaImage of no type": (lambda: mha(ElementType="MET_NONE"), UnreadableFile, "unknown_type"),
    "NRRD without sizes": (lambda: nrrd(sizes=None), UnreadableFile, "bad_dimensions"),
    "NRRD of a negative size": (lambda: nrrd(sizes="16 18 -20"), UnreadableFile, "bad_dimensions"),
    "MetaImage that contradicts itself": (lambda: mha(NDims="2"), UnreadableFile, "bad_dimensions"),
    "words for numbers": (lambda: mha(ElementSpacing="two two two"), UnreadableFile, "unreadable"),
    "too few numbers": (lambda: nrrd(space_origin="(1,2)"), UnreadableFile, "unreadable"),
    "axes without a direction": (lambda: nrrd(space_directions="none (0,2,0) (0,0,2)"), UnreadableFile, "unreadable"),
    "flat NRRD": (lambda: nrrd(sizes="16 360", dimension="2"), NotMeasurable, "not_three_dimensional"),
    "one plane": (lambda: mha(DimSize="16 360 1"), NotMeasurable, "not_three_dimensional"),
    "NRRD of colours": (
        lambda: nrrd(sizes="3 16 18 20", dimension="4", kinds="RGB-color domain domain domain"),
        NotMeasurable,
        "unsupported_type",
    ),
    "MetaImage of colours": (lambda: mha(ElementNumberOfChannels="3"), NotMeasurable, "unsupported_type"),
    "NRRD of five volumes": (lambda: nrrd(sizes="16 18 4 5", dimension="4"), NotMeasurable, "several_volumes"),
    "MetaImage of five volumes": (lambda: mha(NDims="4", DimSize="16 18 4 5"), NotMeasurable, "several_volumes"),
    "NRRD in time": (lambda: nrrd(space="left-posterior-superior-time"), NotMeasurable, "several_volumes"),
    "NRRD in furlongs": (lambda: nrrd(space_units='"furlong" "furlong" "furlong"'), NotMeasurable, "unknown_units"),
    "NRRD without spacing": (lambda: nrrd(space_directions=None), NotMeasurable, "no_spacing"),
    "MetaImage without spacing": (lambda: mha(ElementSpacing=None), NotMeasurable, "no_spacing"),
    "a spacing that is not finite": (lambda: mha(ElementSpacing="2 nan 2"), NotMeasurable, "affine_not_finite"),
    "a spacing of zero": (lambda: mha(ElementSpacing="2 0 2"), NotMeasurable, "affine_singular"),
    "a spacing of metres": (lambda: mha(ElementSpacing="2000 2000 2000"), NotMeasurable, "spacing_out_of_range"),
    "a sheared matrix": (lambda: mha(TransformMatrix="1 .5 0 0 1 0 0 0 1"), NotMeasurable, "affine_sheared"),
    "NRRD of a billion voxels": (lambda: nrrd(sizes="2000 2000 2000"), TooLarge, "too_many_voxels"),
    "MetaImage of a billion voxels": (lambda: mha(DimSize="2000 2000 2000"), TooLarge, "too_many_voxels"),
    "zeros": (lambda: nrrd_bytes(np.zeros(SHAPE, np.uint8)), NotMeasurable, "empty_image"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_must_not_be_measured_is_refused(name: str) -> None:
    make, kind, code = REFUSED[name]
    with pytest.raises(ImagingError) as caught:
        decode_volume(make())
    assert (type(caught.value), caught.value.code) == (kind, code)


def test_the_number_of_volumes_and_the_remedy_are_said() -> None:
    with pytest.raises(NotMeasurable, match=r"5 volumes.*16 x 18 x 4 x 5.*send one volume"):
        decode_volume(REFUSED["NRRD of five volumes"][0]())
    with pytest.raises(NotAVolumeFile, match=r"another file.*as one file"):
        decode_volume(REFUSED["MetaImage that names a file"][0]())


def test_a_header_that_names_a_file_shows_nothing_of_that_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(range(256)) * 30)
    for payload in (nrrd(data_file=str(secret)), mha(ElementDataFile=str(secret))):
        with pytest.raises(NotAVolumeFile) as caught:
            decode_volume(payload)
        assert str(secret) not in str(caught.value)


@pytest.mark.parametrize(
    "bomb",
    [
        nrrd(encoding="gzip").partition(b"\n\n")[0] + b"\n\n" + gzip.compress(bytes(300_000_000), 1),
        mha(CompressedData="True").partition(b"LOCAL\n")[0] + b"LOCAL\n" + zlib.compress(bytes(300_000_000), 1),
    ],
)
def test_a_bomb_is_too_large(bomb: bytes) -> None:
    began = time.thread_time()
    with pytest.raises(TooLarge) as caught:
        decode_volume(bomb, DecodeLimits(max_bytes=100_000_000))
    assert caught.value.code == "unpacks_too_large"
    assert time.thread_time() - began < 5


@pytest.mark.parametrize("payload", [nrrd(space_directions=None), mha(ElementSpacing=None)])
def test_a_spacing_that_came_with_the_file_is_taken_where_it_has_none(payload: bytes) -> None:
    file = decode_volume(payload, spacing_mm=SPACING)
    assert file.volume.geometry.spacing_mm == SPACING
    assert [flag.code for flag in file.flags] == [SPACING_SUPPLIED]
    written = decode_nifti(encode_nifti(GREY // 128, file.header))
    assert written.volume.geometry.spacing_mm == SPACING


@pytest.mark.parametrize("payload", [nrrd(), mha()])
def test_a_spacing_that_contradicts_the_file_is_refused(payload: bytes) -> None:
    assert decode_volume(payload, spacing_mm=(2.0, 2.0, 2.0)).flags == ()
    with pytest.raises(NotMeasurable) as caught:
        decode_volume(payload, spacing_mm=SPACING)
    assert caught.value.code == "spacing_contradicts_file"


def test_one_millimetre_from_the_origin_on_is_in_doubt() -> None:
    data = np.random.default_rng(1).integers(0, 255, (24, 24, 24)).astype(np.uint8)
    for payload in (
        nrrd_bytes(data, {"space origin": "(0,0,0)"}, (1.0, 1.0, 1.0)),
        mha_bytes(data, {"Offset": "0 0 0"}, (1.0, 1.0, 1.0)),
    ):
        file = decode_volume(payload)
        assert [flag.code for flag in file.flags] == [SPACING_SUSPICIOUS]
        assert file.verdict == "review"
