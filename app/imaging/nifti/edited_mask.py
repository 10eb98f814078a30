"""Masks drawn or edited in another program, accepted only on the exact grid of the measured volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.imaging.errors import NotMeasurable
from app.imaging.formats.checks import DecodeLimits
from app.imaging.nifti.affine import locate, measure_distance
from app.imaging.nifti.file import OpenNifti, encode_nifti
from app.imaging.nifti.header import NiftiHeader
from app.imaging.postprocess import head_volume_ml
from app.imaging.volume import Float3, VolumeGeometry

TOLERANCE_VOXELS = 0.5
GRID_REMEDY = "draw on the volume that was measured, or resample the mask onto the grid of the measured one"


@dataclass(frozen=True, eq=False)
class EditedMask:
    """An edited mask (I, J, K), 0 and 1; as .nii.gz with the header of the mask that it replaces; its volume in mL."""

    mask: NDArray[np.uint8]
    geometry: VolumeGeometry
    content: bytes
    head_volume_ml: float


def read_edited_mask(payload: bytes, original: bytes, spacing_mm: Float3, limits: DecodeLimits) -> EditedMask:
    """Return the mask in `payload`; raise an `ImagingError` where it does not lie on the grid of `original`.

    Both are .nii or .nii.gz. `spacing_mm` is the measured volume's, for files that have none of their own.
    """
    header = OpenNifti(original, limits).header
    mask, geometry = read_mask_on_grid(payload, header, spacing_mm, limits)
    return EditedMask(mask, geometry, encode_nifti(mask, header), head_volume_ml(mask, geometry))


def read_mask_on_grid(
    payload: bytes, header: NiftiHeader, spacing_mm: Float3, limits: DecodeLimits
) -> tuple[NDArray[np.uint8], VolumeGeometry]:
    """Return the mask in `payload`, u8 (0/1), and its grid; raise an `ImagingError` where that is not the header's."""
    drawn = OpenNifti(payload, limits)
    geometry, _ = locate(header, spacing_mm)
    _check_shape(drawn.header, geometry)
    if _has_affine(header):
        _check_place(_locate(drawn.header, spacing_mm), _locate(header, spacing_mm))
    return _binarise(drawn.voxels()), geometry


def _locate(header: NiftiHeader, spacing_mm: Float3) -> VolumeGeometry:
    geometry, _ = locate(header, None if _has_affine(header) else spacing_mm)
    return geometry


def _has_affine(header: NiftiHeader) -> bool:
    return header.sform_code > 0 or header.qform_code > 0


def _check_shape(header: NiftiHeader, geometry: VolumeGeometry) -> None:
    if header.shape != geometry.shape:
        raise NotMeasurable(
            "mask_grid_differs",
            "the mask has another number of voxels than the measured volume",
            expected=" x ".join(map(str, geometry.shape)),
            got=" x ".join(map(str, header.shape)),
            remedy=GRID_REMEDY,
        )


def _check_place(edited: VolumeGeometry, geometry: VolumeGeometry) -> None:
    apart = measure_distance(geometry.shape, edited.affine, geometry.affine)
    allowed = TOLERANCE_VOXELS * min(geometry.spacing_mm)
    if apart > allowed:
        raise NotMeasurable(
            "mask_grid_differs",
            "the mask lies elsewhere than the measured volume",
            expected=f"corners within {allowed:.3g} mm of each other",
            got=f"{apart:.3g} mm apart",
            remedy=GRID_REMEDY,
        )


def _binarise(voxels: NDArray[np.generic]) -> NDArray[np.uint8]:
    found = np.unique(voxels)
    labels = found[found != 0]
    if labels.size == 0:
        raise NotMeasurable(
            "empty_mask", "the mask marks nothing", remedy="mark the head, or record the decision reject"
        )
    if labels.size > 1 or not np.isfinite(labels).all():
        shown = ", ".join(f"{value:g}" for value in labels[:5])
        raise NotMeasurable(
            "not_a_mask",
            "the mask has more than one kind of foreground",
            expected="0 around the head and one other value in it",
            got=f"the values {shown}{' ...' if labels.size > 5 else ''}",
            remedy="keep the head's label alone",
        )
    return np.asfortranarray((voxels != 0).astype(np.uint8))
