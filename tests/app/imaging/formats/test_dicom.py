"""Enhanced US Volume: geometry from positions, whatever the order of the frames; everything else is refused by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEGBaseline8Bit

from app.imaging.errors import ImagingError, NotAVolumeFile, NotMeasurable, TooLarge, UnreadableFile
from app.imaging.formats.checks import DecodeLimits
from app.imaging.formats.registry import decode_volume
from app.imaging.volume import Volume, VolumeGeometry
from tests.helpers.enhanced_us import enhanced_us_bytes
from tests.helpers.geometries import oblique

SHAPE = (17, 19, 21)
GREY = np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8)
ULTRASOUND = UID("1.2.840.10008.5.1.4.1.1.6.1")
AFFINE = np.diag([-2.0, -1.5, 1.25, 1.0])
SCAN = Volume(GREY, VolumeGeometry(SHAPE, AFFINE))


@pytest.mark.parametrize("patient", [False, True])
@pytest.mark.parametrize("affine", [AFFINE, oblique((2.0, 1.5, 1.25))])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_voxels_and_affine_are_the_scan_s(patient: bool, affine: np.ndarray, dtype: type) -> None:
    scan = Volume(GREY.astype(dtype), VolumeGeometry(SHAPE, affine))
    file = decode_volume(enhanced_us_bytes(scan, patient=patient))
    np.testing.assert_array_equal(file.volume.data, scan.data)
    np.testing.assert_allclose(file.volume.geometry.affine, affine, atol=1e-4)
    assert (file.flags, file.verdict) == ((), "ok")


def test_the_order_of_the_frames_means_nothing() -> None:
    order = np.random.default_rng(1).permutation(SHAPE[2]).tolist()
    shuffled = decode_volume(enhanced_us_bytes(SCAN, order)).volume
    np.testing.assert_array_equal(shuffled.data, GREY)
    np.testing.assert_allclose(shuffled.geometry.affine, AFFINE, atol=1e-5)
    turned = decode_volume(enhanced_us_bytes(SCAN, range(SHAPE[2])[::-1])).volume
    np.testing.assert_array_equal(turned.data, GREY)


def test_a_lossy_scan_is_reviewed() -> None:
    file = decode_volume(enhanced_us_bytes(SCAN, edit=lambda d: setattr(d, "LossyImageCompression", "01")))
    assert [flag.code for flag in file.flags] == ["lossy_compression"]
    assert file.verdict == "review"


def without(name: str) -> Callable[[Dataset], None]:
    return lambda dataset: delattr(dataset, name)


def compressed(dataset: Dataset) -> None:
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate([bytes(8)] * SHAPE[2])


def moved(dataset: Dataset) -> None:
    dataset.PerFrameFunctionalGroupsSequence[5].PlanePositionVolumeSequence[0].ImagePositionVolume = [0, 0, 6.9]


def contradicting(dataset: Dataset) -> None:
    dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = 2.5


def private(dataset: Dataset) -> None:
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = ULTRASOUND
    dataset.private_block(0x7FE1, "KRETZ_US", create=True).add_new(1, "OB", b"KRETZFILE 1.0   ")


def flow(dataset: Dataset) -> None:
    dataset.SharedFunctionalGroupsSequence[0].ImageDataTypeSequence[0].DataType = "FLOW_VELOCITY"


def changed(name: str, value: object) -> Callable[[Dataset], None]:
    return lambda dataset: setattr(dataset, name, value)


REFUSED: dict[str, tuple[Callable[[], bytes], type[ImagingError], str]] = {
    "three volumes": (lambda: enhanced_us_bytes(SCAN, times=3), NotMeasurable, "several_volumes"),
    "pictures": (lambda: edited(changed("SOPClassUID", ULTRASOUND)), NotMeasurable, "not_three_dimensional"),
    "Kretz in DICOM": (lambda: edited(private), NotAVolumeFile, "vendor_format"),
    "JPEG": (lambda: edited(compressed), NotAVolumeFile, "unsupported_encoding"),
    "uneven planes": (lambda: edited(moved), NotMeasurable, "uneven_planes"),
    "planes that coincide": (lambda: enhanced_us_bytes(SCAN, [0, 0, *range(2, 21)]), NotMeasurable, "uneven_planes"),
    "another stated distance": (lambda: edited(contradicting), NotMeasurable, "uneven_planes"),
    "flow alone": (lambda: edited(flow), NotMeasurable, "unsupported_type"),
    "colours": (lambda: edited(changed("SamplesPerPixel", 3)), NotMeasurable, "unsupported_type"),
    "no frames described": (lambda: edited(without("PerFrameFunctionalGroupsSequence")), UnreadableFile, "unreadable"),
    "more frames than described": (lambda: edited(changed("NumberOfFrames", 22)), UnreadableFile, "unreadable"),
    "no voxels": (lambda: edited(without("PixelData")), UnreadableFile, "unreadable"),
    "cut": (lambda: enhanced_us_bytes(SCAN)[:-1000], UnreadableFile, "truncated"),
    "a mark alone": (lambda: bytes(128) + b"DICM" + bytes(600), UnreadableFile, "unreadable"),
    "a billion voxels": (lambda: edited(changed("Rows", 65000)), TooLarge, "too_many_voxels"),
}


def edited(edit: Callable[[Dataset], None]) -> bytes:
    return enhanced_us_bytes(SCAN, edit=edit)


@pytest.mark.parametrize("name", REFUSED)
def test_what_must_not_be_measured_is_refused(name: str) -> None:
    make, kind, code = REFUSED[name]
    with pytest.raises(ImagingError) as caught:
        decode_volume(make(), DecodeLimits(max_voxels=100_000))
    assert (type(caught.value), caught.value.code) == (kind, code)


def test_the_number_of_volumes_is_said() -> None:
    with pytest.raises(NotMeasurable, match="3 volumes"):
        decode_volume(enhanced_us_bytes(SCAN, times=3))
