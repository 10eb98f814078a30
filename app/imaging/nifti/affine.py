"""The position of a NIfTI file's voxels in space, in mm, or the reason why it is unknown."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from app.contract.findings import Flag
from app.contract.upload import SPACING_TOLERANCE
from app.imaging.errors import NotMeasurable
from app.imaging.formats.spacing import (
    SEND_SPACING,
    check_spacing,
    flag_supplied,
    format_steps,
    is_placeholder,
    replace_placeholder,
)
from app.imaging.nifti.header import SPACE_UNITS, NiftiHeader
from app.imaging.volume import Float3, Index3, VolumeGeometry

AFFINE_TOLERANCE_VOXELS = 0.5
WRITE_AGAIN = "write the header again with one consistent geometry"
HEADER_KEPT = "the mask keeps the file's header, so its voxels times that header's spacing are not the volume"


def locate(header: NiftiHeader, spacing_mm: Float3 | None) -> tuple[VolumeGeometry, tuple[Flag, ...]]:
    """Return the grid in mm and what had to be assumed for it.

    The sform is preferred to the qform; where both are set they must agree, and pixdim must agree with the one that is
    used. `spacing_mm` is for files without geometry, and for those with the placeholder affine that programs write
    where they know none. Raises `NotMeasurable` for every contradiction.
    """
    scale = SPACE_UNITS.get(header.units_code, -1.0)
    if scale == -1.0:
        raise NotMeasurable(
            "unknown_units", f"unit code {header.units_code} does not exist", expected="m (1), mm (2) or micrometre (3)"
        )
    affine = _read_affine(header, scale or 1.0)
    if affine is None:
        return _locate_by_spacing(header, spacing_mm, scale)
    geometry = VolumeGeometry(header.shape, np.diag([*[scale or 1.0] * 3, 1.0]) @ affine)
    assumed = () if scale else (_flag_assumed_units(),)
    if is_placeholder(geometry):
        placed, doubts = replace_placeholder(geometry, spacing_mm, HEADER_KEPT)
        return placed, (*doubts, *assumed) if placed is geometry else doubts
    check_spacing(geometry.spacing_mm, spacing_mm)
    return geometry, assumed


def _read_affine(header: NiftiHeader, scale: float) -> NDArray[np.float64] | None:
    """Return the file's affine in its own units (of `scale` mm), None where both codes are 0."""
    sform = np.array([*header.srow, (0.0, 0.0, 0.0, 1.0)]) if header.sform_code > 0 else None
    qform = _read_qform(header) if header.qform_code > 0 else None
    chosen = qform if sform is None else sform
    if chosen is None:
        return None
    VolumeGeometry(header.shape, chosen)
    _check_pixdim(header, chosen, scale)
    if sform is not None and qform is not None:
        _check_agreement(header, sform, qform, scale)
    return chosen


def _read_qform(header: NiftiHeader) -> NDArray[np.float64]:
    fields = nib.Nifti1Header()
    try:
        with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is refused by the caller
            fields["pixdim"][:4] = np.abs(header.pixdim[:4])
            fields["pixdim"][0] = -1.0 if header.pixdim[0] < 0 else 1.0
            fields["quatern_b"], fields["quatern_c"], fields["quatern_d"] = header.quaternion
            fields["qoffset_x"], fields["qoffset_y"], fields["qoffset_z"] = header.qoffset
            return np.array(fields.get_qform(coded=False), dtype=np.float64)
    except (nib.spatialimages.HeaderDataError, ValueError) as error:
        raise NotMeasurable(
            "qform_invalid", "the qform's quaternion is not a rotation", got=str(header.quaternion), remedy=WRITE_AGAIN
        ) from error


def _check_pixdim(header: NiftiHeader, affine: NDArray[np.float64], scale: float) -> None:
    stated = np.abs(header.pixdim[1:4])
    norms = np.linalg.norm(affine[:3, :3], axis=0)
    if not (np.abs(stated - norms) <= SPACING_TOLERANCE * norms).all():
        raise NotMeasurable(
            "pixdim_contradicts_affine",
            "the header states two different spacings",
            expected=f"pixdim within 1 % of the affine's {format_steps(norms * scale)} mm",
            got=f"{format_steps(stated * scale)} mm",
            remedy=WRITE_AGAIN,
        )


def measure_distance(shape: Index3, one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return how far apart two affines put a corner of a volume at most, in their unit."""
    corners = np.array([(*np.multiply(bits, np.asarray(shape) - 1), 1) for bits in np.ndindex(2, 2, 2)])
    return float(np.linalg.norm(corners @ (one - other).T, axis=1).max())


def _check_agreement(header: NiftiHeader, sform: NDArray[np.float64], qform: NDArray[np.float64], scale: float) -> None:
    distance = measure_distance(header.shape, sform, qform)
    if not distance <= AFFINE_TOLERANCE_VOXELS * np.linalg.norm(sform[:3, :3], axis=0).min():
        raise NotMeasurable(
            "qform_sform_disagree",
            "qform and sform put the volume in different places",
            expected="corners within half a voxel of each other",
            got=f"{distance * scale:.3g} mm apart",
            remedy="set the code of the wrong one to 0",
        )


def _locate_by_spacing(
    header: NiftiHeader, spacing_mm: Float3 | None, scale: float | None
) -> tuple[VolumeGeometry, tuple[Flag, ...]]:
    """Return the grid from pixdim, or from the spacing sent with the file; its position in space is unknown."""
    stated = np.abs(header.pixdim[1:4])
    meaningful = np.isfinite(stated).all() and stated.min() > 0 and not (stated == 1.0).all()
    if meaningful:
        geometry = VolumeGeometry.from_spacing(header.shape, tuple(stated * (scale or 1.0)))
        check_spacing(geometry.spacing_mm, spacing_mm)
        return geometry, () if scale else (_flag_assumed_units(),)
    if spacing_mm is None:
        raise NotMeasurable(
            "no_spacing",
            "the file does not say how large its voxels are",
            expected="a qform or sform with a code above 0, or pixdim other than 1",
            got=f"codes 0 and pixdim {format_steps(stated)}",
            remedy=SEND_SPACING,
        )
    return VolumeGeometry.from_spacing(header.shape, spacing_mm), (flag_supplied(spacing_mm, HEADER_KEPT),)


def _flag_assumed_units() -> Flag:
    return Flag(
        code="units_assumed",
        detail="the header does not name its unit of length; millimetres were assumed",
        remedy="set xyzt_units in the file's header",
    )
