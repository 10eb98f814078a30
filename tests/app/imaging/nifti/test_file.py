from __future__ import annotations

import gzip
import io
import time
from collections.abc import Callable
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from app.imaging.errors import ImagingError, NotAVolumeFile, NotMeasurable, TooLarge, UnreadableFile
from app.imaging.formats.checks import DecodeLimits
from app.imaging.nifti.file import decode_nifti, encode_nifti, encode_volume, read_mask_file
from app.imaging.volume import VolumeGeometry
from tests.helpers.geometries import oblique
from tests.helpers.makers import NiftiOptions, nifti_bytes, sphere_volume, volume_bytes

SHAPE = (16, 18, 20)
RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


def grey(shape: tuple[int, ...] = SHAPE, dtype: Any = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape).astype(dtype)


def good(**edits: Any) -> bytes:
    return nifti_bytes(grey(), options=NiftiOptions(edits=edits))


def with_value(value: float) -> bytes:
    data = grey(dtype=np.float32)
    data[3, 4, 5] = value
    return nifti_bytes(data)


def shifted_qform() -> bytes:
    return good(qoffset_x=2.0)


def without_geometry(pixdim: tuple[float, ...] = (1.0, 1.0, 1.0), **edits: Any) -> bytes:
    stated = [1.0, *pixdim, 0, 0, 0, 0]
    options = NiftiOptions(sform_code=0, qform_code=0, edits={"pixdim": stated, **edits})
    return nifti_bytes(grey((24, 24, 24)), options=options)


def sheared() -> bytes:
    return good(srow_x=[2.0, 0.5, 0.0, 0.0])


UNREADABLE: dict[str, tuple[Callable[[], bytes], type[ImagingError], str]] = {
    "nothing": (lambda: b"", UnreadableFile, "empty_file"),
    "text": (lambda: b"patient,volume\n1,2\n" * 50, NotAVolumeFile, "not_nifti"),
    "short text": (lambda: b"hi", NotAVolumeFile, "not_nifti"),
    "zip": (lambda: b"PK\x03\x04" + bytes(600), NotAVolumeFile, "not_nifti"),
    "DICOM": (lambda: bytes(128) + b"DICM" + bytes(600), NotAVolumeFile, "not_nifti"),
    "wrong magic": (lambda: good(magic=b"x+1"), NotAVolumeFile, "wrong_magic"),
    "ANALYZE": (lambda: good(magic=b""), NotAVolumeFile, "wrong_magic"),
    "header of a pair": (lambda: good(magic=b"ni1"), NotAVolumeFile, "header_of_a_pair"),
    "gzip of text": (lambda: gzip.compress(b"hello " * 100), NotAVolumeFile, "not_nifti"),
    "gzip of nothing": (lambda: gzip.compress(b""), UnreadableFile, "empty_file"),
    "gzip magic alone": (lambda: b"\x1f\x8b", UnreadableFile, "truncated_gzip"),
    "gzip magic and rubbish": (lambda: b"\x1f\x8b" + b"\xff" * 100, UnreadableFile, "damaged_gzip"),
    "truncated gzip": (lambda: gzip.compress(good())[:-700], UnreadableFile, "truncated_gzip"),
    "gzip without its checksum": (lambda: gzip.compress(good())[:-5], UnreadableFile, "truncated_gzip"),
    "half a header": (lambda: good()[:200], UnreadableFile, "truncated"),
    "header only": (lambda: good()[:348], UnreadableFile, "truncated"),
    "header and extension flag only": (lambda: good()[:352], UnreadableFile, "truncated"),
    "last voxel missing": (lambda: good()[:-1], UnreadableFile, "truncated"),
    "more than announced": (lambda: good() + b"x", UnreadableFile, "excess_bytes"),
    "negative dimension": (lambda: good(dim=[3, -4, 4, 4, 1, 1, 1, 1]), UnreadableFile, "bad_dimensions"),
    "no dimensions": (lambda: good(dim=[0, 4, 4, 4, 1, 1, 1, 1]), UnreadableFile, "bad_dimensions"),
    "too many dimensions": (lambda: good(dim=[9, 4, 4, 4, 1, 1, 1, 1]), UnreadableFile, "bad_dimensions"),
    "unknown type": (lambda: good(datatype=7), UnreadableFile, "unknown_type"),
    "no voxel offset": (lambda: good(vox_offset=0), UnreadableFile, "bad_voxel_offset"),
    "voxel offset NaN": (lambda: good(vox_offset=np.nan), UnreadableFile, "bad_voxel_offset"),
    "voxel offset beyond the end": (lambda: good(vox_offset=1e6), UnreadableFile, "bad_voxel_offset"),
    "voxel offset beyond every end": (lambda: good(vox_offset=1e30), UnreadableFile, "bad_voxel_offset"),
    "zeros and more after the gzip stream": (
        lambda: gzip.compress(good()) + bytes(600) + b"x",
        UnreadableFile,
        "excess_bytes",
    ),
    "zeros after the voxels": (lambda: good() + bytes(512), UnreadableFile, "excess_bytes"),
    "one byte after the gzip stream": (lambda: gzip.compress(good()) + b"\x1f", UnreadableFile, "excess_bytes"),
}

NOT_MEASURABLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "2D": (lambda: nifti_bytes(grey((64, 64))), "not_three_dimensional"),
    "one slice": (lambda: nifti_bytes(grey((64, 64, 1))), "not_three_dimensional"),
    "4D": (lambda: nifti_bytes(grey((16, 18, 20, 3))), "several_volumes"),
    "5D": (lambda: nifti_bytes(grey((16, 18, 20, 1, 2))), "several_volumes"),
    "RGB": (lambda: nifti_bytes(np.zeros(SHAPE, RGB)), "unsupported_type"),
    "complex": (lambda: nifti_bytes(grey(dtype=np.complex64)), "unsupported_type"),
    "extended precision": (lambda: good(datatype=1536), "unsupported_type"),
    "single bits": (lambda: good(datatype=1), "unsupported_type"),
    "NaN": (lambda: with_value(np.nan), "not_finite"),
    "infinity": (lambda: with_value(np.inf), "not_finite"),
    "minus infinity": (lambda: with_value(-np.inf), "not_finite"),
    "huge values": (lambda: with_value(3e38), "values_out_of_range"),
    "infinite slope": (lambda: good(scl_slope=np.inf), "bad_scaling"),
    "slope that overflows": (lambda: good(scl_slope=3e38), "not_finite"),
    "all zero": (lambda: nifti_bytes(np.zeros(SHAPE, np.uint8)), "empty_image"),
    "constant": (lambda: nifti_bytes(np.full(SHAPE, 9, np.int16)), "constant_image"),
    "3 x 3 x 3": (lambda: nifti_bytes(grey((3, 3, 3))), "too_small"),
    "8 mm": (lambda: nifti_bytes(grey((16, 16, 16)), np.diag([0.5, 0.5, 0.5, 1])), "too_small"),
    "60 cm": (lambda: nifti_bytes(grey((200, 18, 20)), np.diag([3.0, 3, 3, 1])), "extent_too_large"),
    "singular": (lambda: good(srow_z=[2.0, 0, 0, 0], srow_x=[2.0, 0, 0, 0]), "affine_singular"),
    "zero affine": (lambda: good(srow_x=[0.0] * 4, srow_y=[0.0] * 4, srow_z=[0.0] * 4), "affine_singular"),
    "affine with NaN": (lambda: good(srow_x=[np.nan, 0, 0, 0]), "affine_not_finite"),
    "sheared": (sheared, "affine_sheared"),
    "qform elsewhere": (shifted_qform, "qform_sform_disagree"),
    "qform turned": (lambda: good(quatern_b=0.5), "qform_sform_disagree"),
    "qform without rotation": (lambda: good(quatern_b=0.9, quatern_c=0.9), "qform_invalid"),
    "qform with NaN": (lambda: good(qoffset_x=np.nan), "qform_sform_disagree"),
    "pixdim against sform": (lambda: good(pixdim=[1, 2.0, 2.1, 2.0, 0, 0, 0, 0]), "pixdim_contradicts_affine"),
    "pixdim NaN": (lambda: good(pixdim=[1, 2.0, np.nan, 2.0, 0, 0, 0, 0]), "pixdim_contradicts_affine"),
    "no spacing": (without_geometry, "no_spacing"),
    "spacing of zero": (lambda: without_geometry((0.0, 2.0, 2.0)), "no_spacing"),
    "spacing too fine": (lambda: nifti_bytes(grey(), np.diag([0.05, 2, 2, 1])), "spacing_out_of_range"),
    "spacing too coarse": (lambda: nifti_bytes(grey(), np.diag([2, 2, 3.5, 1])), "spacing_out_of_range"),
    "metres that are millimetres": (lambda: good(xyzt_units=1), "spacing_out_of_range"),
    "micrometres that are millimetres": (lambda: good(xyzt_units=3), "spacing_out_of_range"),
    "unit that does not exist": (lambda: good(xyzt_units=5), "unknown_units"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_refused(name: str) -> None:
    make, kind, code = UNREADABLE[name]
    with pytest.raises(ImagingError) as caught:
        decode_nifti(make())
    assert (type(caught.value), caught.value.code) == (kind, code)


@pytest.mark.parametrize("name", NOT_MEASURABLE)
@pytest.mark.parametrize("compress", [False, True])
def test_what_must_not_be_measured_is_refused(name: str, compress: bool) -> None:
    make, code = NOT_MEASURABLE[name]
    payload = gzip.compress(make()) if compress else make()
    with pytest.raises(NotMeasurable) as caught:
        decode_nifti(payload)
    assert caught.value.code == code
    assert caught.value.detail


@pytest.mark.parametrize("name", ["qform elsewhere", "no spacing", "4D", "spacing too coarse"])
def test_a_refusal_names_a_remedy(name: str) -> None:
    with pytest.raises(NotMeasurable) as caught:
        decode_nifti(NOT_MEASURABLE[name][0]())
    assert caught.value.remedy
    assert caught.value.remedy in str(caught.value)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (lambda: good(magic=b""), ["Analyze 7.5", "n+1 at byte 344", "00 00 00 00"]),
        (lambda: nifti_bytes(grey((8, 8, 8)), np.diag([1.2, 1.2, 1.2, 1])), ["20 mm", "9.6 x 9.6 x 9.6 mm"]),
        (NOT_MEASURABLE["60 cm"][0], ["400 mm", "600 x 54 x 60 mm"]),
        (shifted_qform, ["2 mm apart"]),
        (lambda: gzip.compress(gzip.compress(good())), ["gzip within gzip", "gunzip"]),
        (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", ["Git LFS", "git lfs pull"]),
        (lambda: b"/annex/objects/SHA256E-s1--0.nii.gz\n", ["git-annex", "git annex get"]),
        (lambda: b"../.git/annex/objects/x/SHA256E-s1--0.nii.gz", ["a link that was saved as a file"]),
        (lambda: b"\n <!DOCTYPE HTML><html><title>Sign in</title>", ["an HTML page", "sign in"]),
        (lambda: b"\xef\xbb\xbf<html><head>", ["an HTML page"]),
        (lambda: b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', ["an XML document", "sign in"]),
        (lambda: b'{"detail": "Not authenticated"}', ["a JSON document", "sign in"]),
        (lambda: bytes(128) + b"DICM" + bytes(600), ["a DICOM file"]),
        (lambda: b"\xff\xd8\xff\xe0" + bytes(600), ["a JPEG picture"]),
        (lambda: nifti_bytes(grey((16, 18, 20, 1, 3))), ["each voxel has 3 components", "grey values"]),
        (lambda: nifti_bytes(grey((1, 16, 18, 20))), ["an axis of length 1", "in front", "1 x 16 x 18 x 20"]),
        (lambda: nifti_bytes(grey((16, 18, 20, 3))), ["more than one volume"]),
        (lambda: good(vox_offset=1e6), ["beyond the file's end", "byte 1000000"]),
        (lambda: good(vox_offset=1e30), ["beyond any file's end"]),
        (lambda: good(pixdim=[1, 2.0, 2.1, 2.0, 0, 0, 0, 0]), ["2 x 2 x 2 mm", "2 x 2.1 x 2 mm"]),
    ],
)
def test_a_refusal_says_what_was_found_in_its_unit(payload: Callable[[], bytes], words: list[str]) -> None:
    with pytest.raises(ImagingError) as caught:
        decode_nifti(payload())
    assert [word for word in words if word not in str(caught.value)] == []
    assert "b'" not in str(caught.value)


@pytest.mark.parametrize("zeros", [1, 10, 772, 1 << 20])
def test_zeros_after_the_gzip_stream_are_blocks_filled_up(zeros: int) -> None:
    padded = decode_nifti(gzip.compress(good()) + bytes(zeros))
    assert np.array_equal(padded.volume.data, decode_nifti(good()).volume.data)


@pytest.mark.parametrize("rounded", [0.70710677, 0.70710692, 0.70711, 0.7073])
@pytest.mark.parametrize("sform_code", [0, 1])
def test_half_a_turn_may_have_a_rounded_quaternion(rounded: float, sform_code: int) -> None:
    turned = {
        "srow_x": [-2.0, 0, 0, 0],
        "srow_y": [0, 0, 2.0, 0],
        "srow_z": [0, 2.0, 0, 0],
        "pixdim": [1.0, 2, 2, 2] + [0] * 4,
    }
    offsets = {f"qoffset_{axis}": 0.0 for axis in "xyz"}
    quaternion = {"quatern_b": 0.0, "quatern_c": rounded, "quatern_d": rounded}
    file = decode_nifti(good(**turned, **offsets, **quaternion, sform_code=sform_code))
    expected = [[-2, 0, 0, 0], [0, 0, 2, 0], [0, 2, 0, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(file.volume.geometry.affine, expected, atol=1e-6)
    written = read_mask_file(encode_nifti(np.zeros(file.volume.data.shape, np.uint8), file.header))
    np.testing.assert_allclose(written.header.get_qform(), expected, atol=1e-6)


@pytest.mark.parametrize("cosine", [0.0012, 0.005])
def test_the_slight_shear_of_a_registration_changes_no_volume(cosine: float) -> None:
    geometry = decode_nifti(good(srow_x=[2.0, 2.0 * cosine, 0, 0], qform_code=0)).volume.geometry
    assert geometry.voxel_volume_mm3 == pytest.approx(8.0, rel=1e-4)


def test_a_refusal_shows_nothing_of_the_gzip_library() -> None:
    with pytest.raises(UnreadableFile) as caught:
        decode_nifti(b"\x1f\x8b" + b"\xff" * 100)
    assert "Error" not in str(caught.value)


def test_every_wrong_checksum_is_noticed() -> None:
    packed = bytearray(gzip.compress(good()))
    packed[-6] ^= 0xFF
    with pytest.raises(UnreadableFile) as caught:
        decode_nifti(bytes(packed))
    assert caught.value.code == "damaged_gzip"


def quickly(payload: bytes, limits: DecodeLimits | None = None) -> ImagingError:
    began = time.thread_time()  # of this thread alone, however busy the machine is
    with pytest.raises(ImagingError) as caught:
        decode_nifti(payload, limits)
    assert time.thread_time() - began < 5
    return caught.value


def test_zeros_in_a_bomb_are_answered_at_once() -> None:
    assert isinstance(quickly(gzip.compress(bytes(300_000_000), 1)), NotAVolumeFile)


def test_a_bomb_behind_a_good_header_is_too_large() -> None:
    bomb = gzip.compress(good() + bytes(300_000_000), 1)
    error = quickly(bomb, DecodeLimits(max_bytes=100_000_000))
    assert isinstance(error, TooLarge)
    assert error.code == "unpacks_too_large"


def test_a_bomb_of_gzip_members_is_too_large() -> None:
    bomb = gzip.compress(good()) + gzip.compress(bytes(10_000_000), 1) * 30
    assert quickly(bomb, DecodeLimits(max_bytes=100_000_000)).code == "unpacks_too_large"


@pytest.mark.parametrize("edits", [{"dim": [3, 2000, 2000, 2000, 1, 1, 1, 1]}, {"dim": [3] + [32767] * 3 + [1] * 4}])
def test_an_announced_bomb_is_refused_before_it_is_unpacked(edits: dict[str, Any]) -> None:
    error = quickly(good(**edits))
    assert isinstance(error, TooLarge)
    assert error.code == "too_many_voxels"


@pytest.mark.slow
def test_zeros_of_a_whole_volume_are_an_empty_image() -> None:
    affine = np.diag([0.5, 0.5, 0.5, 1])
    payload = nifti_bytes(np.zeros((600, 500, 500), np.uint8), affine, NiftiOptions(compress=True))
    assert len(payload) < 1_000_000
    assert quickly(payload).code == "empty_image"


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("endianness", ["<", ">"])
@pytest.mark.parametrize("version", [1, 2])
def test_every_real_type_and_byte_order_is_read(dtype: str, endianness: Any, version: int) -> None:
    data = (grey() // 3).astype(dtype)
    volume = decode_nifti(nifti_bytes(data, oblique((2.0, 1.9, 1.8)), NiftiOptions(version, endianness))).volume
    np.testing.assert_array_equal(volume.data, data)
    assert volume.data.dtype == np.dtype(dtype)
    assert volume.data.dtype.isnative
    np.testing.assert_allclose(volume.geometry.affine, oblique((2.0, 1.9, 1.8)), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.int16, np.float64, np.uint8])
def test_values_are_scaled_as_the_header_says(dtype: Any) -> None:
    data = grey(dtype=dtype)
    volume = decode_nifti(nifti_bytes(data, options=NiftiOptions(slope=-0.25, intercept=7.0))).volume
    np.testing.assert_allclose(volume.data, data * -0.25 + 7.0, rtol=1e-6)
    assert volume.data.dtype == np.float32


@pytest.mark.parametrize("slope", [0.0, np.nan, 1.0])
def test_a_slope_that_means_nothing_leaves_the_type_alone(slope: float) -> None:
    volume = decode_nifti(good(scl_slope=slope)).volume
    assert volume.data.dtype == np.uint8
    np.testing.assert_array_equal(volume.data, grey())


@pytest.mark.parametrize("ones", [1, 2, 4])
def test_trailing_dimensions_of_one_are_fine(ones: int) -> None:
    assert decode_nifti(nifti_bytes(grey((*SHAPE, *[1] * ones)))).volume.data.shape == SHAPE


@pytest.mark.parametrize(("units", "scale"), [("mm", 1.0), ("meter", 1e-3), ("micron", 1e3)])
def test_units_are_honoured(units: str, scale: float) -> None:
    decoded = decode_nifti(nifti_bytes(grey(), np.diag([2 * scale] * 3 + [1]), NiftiOptions(units=units)))
    assert decoded.volume.geometry.spacing_mm == pytest.approx((2.0, 2.0, 2.0))
    assert decoded.volume.geometry.voxel_volume_mm3 == pytest.approx(8.0)
    assert decoded.flags == ()


def test_unknown_units_are_taken_for_millimetres_with_a_flag() -> None:
    decoded = decode_nifti(nifti_bytes(grey(), options=NiftiOptions(units="unknown")))
    assert [flag.code for flag in decoded.flags] == ["units_assumed"]
    assert decoded.volume.geometry.spacing_mm == (2.0, 2.0, 2.0)


@pytest.mark.parametrize("codes", [(1, 1), (1, 0), (0, 1), (4, 2)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_either_affine_gives_the_geometry(codes: tuple[int, int], mirrored: bool) -> None:
    affine = oblique((1.5, 2.0, 2.5)) @ np.diag([-1.0 if mirrored else 1.0, 1, 1, 1])
    options = NiftiOptions(sform_code=codes[0], qform_code=codes[1])
    geometry = decode_nifti(nifti_bytes(grey(), affine, options)).volume.geometry
    np.testing.assert_allclose(geometry.affine, affine, atol=1e-4)


def test_an_sform_with_code_0_is_ignored() -> None:
    options = NiftiOptions(sform_code=0, edits={"srow_x": [np.nan] * 4})
    assert decode_nifti(nifti_bytes(grey(), options=options)).volume.geometry.spacing_mm == (2.0, 2.0, 2.0)


def test_a_qfac_of_0_counts_as_1() -> None:
    options = NiftiOptions(sform_code=0, edits={"pixdim": [0, 2, 2, 2, 0, 0, 0, 0]})
    assert decode_nifti(nifti_bytes(grey(), options=options)).volume.geometry.spacing_mm == (2.0, 2.0, 2.0)


def test_pixdim_alone_gives_the_spacing() -> None:
    decoded = decode_nifti(without_geometry((0.9, 1.0, 1.1)))
    assert decoded.volume.geometry.spacing_mm == pytest.approx((0.9, 1.0, 1.1))


def test_a_spacing_sent_along_serves_a_file_without_one() -> None:
    decoded = decode_nifti(without_geometry(), spacing_mm=(0.9, 1.2, 1.5))
    assert decoded.volume.geometry.voxel_volume_mm3 == pytest.approx(0.9 * 1.2 * 1.5)
    assert [flag.code for flag in decoded.flags] == ["spacing_supplied"]


def unplaced(signs: tuple[float, float, float] = (1, 1, 1), origin: float = 0.0, step: float = 1.0) -> bytes:
    affine = np.diag([*(sign * step for sign in signs), 1.0])
    affine[0, 3] = origin
    return nifti_bytes(grey((24, 24, 24)), affine)


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (-1, 1, 1)])
def test_an_affine_that_programs_write_without_knowing_one_is_doubted(signs: tuple[float, float, float]) -> None:
    decoded = decode_nifti(unplaced(signs))
    assert ([flag.code for flag in decoded.flags], decoded.verdict) == (["spacing_suspicious"], "review")
    assert "spacing_mm" in decoded.flags[0].remedy


@pytest.mark.parametrize("payload", [unplaced(origin=12.0), unplaced(step=1.001)])
def test_an_affine_that_somebody_set_is_believed(payload: bytes) -> None:
    decoded = decode_nifti(payload)
    assert (decoded.flags, decoded.verdict) == ((), "ok")


def test_a_spacing_sent_along_replaces_or_confirms_a_placeholder() -> None:
    replaced = decode_nifti(unplaced(), spacing_mm=(1.2, 1.2, 1.2))
    assert replaced.volume.geometry.spacing_mm == (1.2, 1.2, 1.2)
    assert ([flag.code for flag in replaced.flags], replaced.verdict) == (["spacing_supplied"], "ok")
    confirmed = decode_nifti(unplaced(), spacing_mm=(1.0, 1.0, 1.0))
    assert (confirmed.flags, confirmed.volume.geometry.spacing_mm) == ((), (1.0, 1.0, 1.0))


def test_a_supplied_spacing_says_that_the_mask_does_not_have_it() -> None:
    (flag,) = decode_nifti(without_geometry(), spacing_mm=(0.9, 1.2, 1.5)).flags
    assert "mask keeps the file's header" in flag.detail


@pytest.mark.parametrize("payload", [good, lambda: without_geometry((2.0, 2.0, 2.0))])
def test_a_spacing_sent_along_must_not_contradict_the_file(payload: Callable[[], bytes]) -> None:
    assert decode_nifti(payload(), spacing_mm=(2.0, 2.005, 2.0)).volume.geometry.spacing_mm == (2.0, 2.0, 2.0)
    with pytest.raises(NotMeasurable) as caught:
        decode_nifti(payload(), spacing_mm=(2.0, 1.9, 2.0))
    assert caught.value.code == "spacing_contradicts_file"


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("endianness", ["<", ">"])
def test_a_mask_lies_on_the_very_grid_of_the_upload(version: int, endianness: Any) -> None:
    private = {"descrip": b"name of a patient", "aux_file": b"secret", "intent_name": b"hidden", "db_name": b"x"}
    private = private if version == 1 else {key: private[key] for key in ("descrip", "aux_file", "intent_name")}
    options = NiftiOptions(version, endianness, sform_code=2, qform_code=1, edits=private)
    upload = nifti_bytes(grey(), oblique((1.7, 1.8, 1.9)), options)
    decoded = decode_nifti(upload)
    mask = (decoded.volume.data > 100).astype(np.uint8)
    written = encode_nifti(mask, decoded.header)
    kind = nib.Nifti1Image if version == 1 else nib.Nifti2Image
    before, after = kind.from_bytes(upload), kind.from_bytes(gzip.decompress(written))
    np.testing.assert_array_equal(np.asarray(after.dataobj), mask)
    assert after.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(after.affine, before.affine)
    np.testing.assert_array_equal(after.header.get_qform(), before.header.get_qform())
    for field in ("qform_code", "sform_code", "xyzt_units", "srow_x", "quatern_b", "quatern_c", "quatern_d"):
        np.testing.assert_array_equal(after.header[field], before.header[field])
    assert decode_nifti(written).header == decoded.header
    assert b"patient" not in gzip.decompress(written)
    assert b"secret" not in gzip.decompress(written)


def test_a_mask_of_a_file_without_geometry_has_none_either() -> None:
    decoded = decode_nifti(without_geometry(), spacing_mm=(2.0, 2.0, 2.0))
    mask = np.eye(24, dtype=np.uint8)[:, :, None] * np.ones(24, dtype=np.uint8)
    image = nib.Nifti1Image.from_bytes(gzip.decompress(encode_nifti(mask, decoded.header)))
    assert (image.header["qform_code"], image.header["sform_code"]) == (0, 0)
    assert image.header.get_zooms() == (1.0, 1.0, 1.0)


def test_a_mask_on_another_grid_is_refused() -> None:
    with pytest.raises(NotMeasurable, match="not on the upload's grid"):
        encode_nifti(np.zeros((3, 3, 3), dtype=np.uint8), decode_nifti(good()).header)


@pytest.mark.parametrize("dtype", ["u1", ">i2", "f4"])
def test_a_written_volume_is_read_back(dtype: str) -> None:
    volume = sphere_volume(dtype=dtype)
    decoded = decode_nifti(encode_volume(volume))
    np.testing.assert_array_equal(decoded.volume.data, volume.data)
    assert decoded.volume.geometry.spacing_mm == volume.geometry.spacing_mm
    assert decoded.flags == ()


def test_writing_twice_gives_the_same_bytes() -> None:
    decoded = decode_nifti(good())
    mask = (decoded.volume.data > 9).astype(np.uint8)
    assert encode_nifti(mask, decoded.header) == encode_nifti(mask, decoded.header)


def test_files_of_other_writers_are_read(tmp_path: Any) -> None:
    rotation = Rotation.from_euler("z", 30, degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = rotation * 2.0
    nib.save(nib.Nifti1Image(grey(), affine), tmp_path / "scan.nii.gz")
    decoded = decode_nifti((tmp_path / "scan.nii.gz").read_bytes())
    np.testing.assert_allclose(decoded.volume.geometry.affine, affine, atol=1e-6)
    buffer = io.BytesIO()
    image = nib.Nifti2Image(grey(), affine)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"a comment"))
    image.to_file_map({"image": nib.FileHolder(fileobj=buffer)})
    np.testing.assert_array_equal(decode_nifti(buffer.getvalue()).volume.data, grey())


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=6))
def test_no_header_however_damaged_does_more_than_be_refused(changes: list[tuple[int, int]]) -> None:
    payload = bytearray(volume_bytes(sphere_volume(15.0, (16, 16, 16))))
    for position, value in changes:
        payload[position] = value
    try:
        decoded = decode_nifti(bytes(payload), DecodeLimits(max_bytes=1 << 22))
    except ImagingError:
        return
    assert isinstance(decoded.volume.geometry, VolumeGeometry)
    assert np.isfinite(decoded.volume.data).all()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 5000), st.integers(1, 255))
def test_no_gzip_however_damaged_does_more_than_be_refused(position: int, flip: int) -> None:
    payload = bytearray(volume_bytes(sphere_volume(15.0, (16, 16, 16)), NiftiOptions(compress=True)))
    payload[position % len(payload)] ^= flip
    try:
        decode_nifti(bytes(payload), DecodeLimits(max_bytes=1 << 22))
    except ImagingError:
        return
