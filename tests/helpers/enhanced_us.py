"""A small DICOM Enhanced US Volume of any volume: frames in any order, in the volume's or the patient's geometry."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from app.imaging.volume import Volume

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
ENHANCED_US_VOLUME = UID("1.2.840.10008.5.1.4.1.1.6.2")


def enhanced_us_bytes(
    volume: Volume,
    order: Sequence[int] | None = None,
    times: int = 1,
    patient: bool = False,
    edit: Callable[[Dataset], None] = lambda dataset: None,
) -> bytes:
    """Return the file; `order` is the order of its planes, `edit` changes the dataset last."""
    data, lps = np.asarray(volume.data), LPS @ volume.geometry.affine
    steps = np.linalg.norm(lps[:3, :3], axis=0)
    turn = lps[:3, :3] / steps
    dataset = _dataset(data, times, patient)
    shared = Dataset()
    shared.PixelMeasuresSequence = [
        _item(PixelSpacing=[steps[1], steps[0]], SpacingBetweenSlices=steps[2], SliceThickness=steps[2])
    ]
    orientation = [float(value) for value in (*turn[:, 0], *turn[:, 1])]
    shared.PlaneOrientationVolumeSequence = [_item(ImageOrientationVolume=orientation)]
    if patient:
        shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=orientation)]
    shared.ImageDataTypeSequence = [_item(DataType="TISSUE_INTENSITY", AliasedDataType="NO")]
    dataset.SharedFunctionalGroupsSequence = [shared]
    order = list(range(data.shape[2])) if order is None else order
    dataset.PerFrameFunctionalGroupsSequence = [
        _frame(lps[:3, 3] + lps[:3, 2] * plane, patient, time if times > 1 else None)
        for time in range(times)
        for plane in order
    ]
    frames = np.concatenate([data.transpose(2, 1, 0)[list(order)]] * times)
    dataset.PixelData = frames.tobytes() + bytes(frames.nbytes % 2)
    edit(dataset)
    content = io.BytesIO()
    dataset.save_as(content, enforce_file_format=True)
    return content.getvalue()


def _dataset(data: np.ndarray, times: int, patient: bool) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = ENHANCED_US_VOLUME
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.Modality = "US"
    dataset.UltrasoundAcquisitionGeometry = "PATIENT" if patient else "APEX"
    dataset.LossyImageCompression = "00"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Columns, dataset.Rows, planes = data.shape
    dataset.NumberOfFrames = planes * times
    dataset.BitsAllocated = dataset.BitsStored = 8 * data.dtype.itemsize
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(data.dtype.kind == "i")
    return dataset


def _frame(position: np.ndarray, patient: bool, time: int | None) -> Dataset:
    frame = Dataset()
    frame.PlanePositionVolumeSequence = [_item(ImagePositionVolume=[float(value) for value in position])]
    if patient:
        frame.PlanePositionSequence = [_item(ImagePositionPatient=[round(float(value), 6) for value in position])]
    if time is not None:
        frame.TemporalPositionSequence = [_item(TemporalPositionTimeOffset=float(time))]
    return frame


def _item(**elements: Any) -> Dataset:
    item = Dataset()
    for name, value in elements.items():
        setattr(item, name, value if not isinstance(value, np.floating) else round(float(value), 6))
    if "PixelSpacing" in elements:
        item.PixelSpacing = [round(float(value), 6) for value in elements["PixelSpacing"]]
    return item
