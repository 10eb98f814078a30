"""Spacing that a file lacks, or that came with the request: what is taken, and what is said about it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.contract.findings import Flag
from app.contract.upload import SPACING_SUPPLIED, SPACING_SUSPICIOUS, SPACING_TOLERANCE
from app.imaging.errors import NotMeasurable
from app.imaging.volume import Float3, Index3, VolumeGeometry

SEND_SPACING = "write the spacing into the header, or send it in the field spacing_mm"
IN_MASK = "the mask has the spacing that was sent"


def place(
    shape: Index3, affine: NDArray[np.float64] | None, spacing_mm: Float3 | None, expected: str
) -> tuple[VolumeGeometry, tuple[Flag, ...]]:
    """Return the grid in mm (RAS+) and what had to be assumed; `affine` is None where the file has no spacing.

    `spacing_mm` came with the request. Raises `NotMeasurable` where both or neither say how large the voxels are;
    `expected` names the fields of the header in which the file could say it.
    """
    if affine is None:
        if spacing_mm is None:
            detail = "the file does not say how large its voxels are"
            raise NotMeasurable("no_spacing", detail, expected=expected, remedy=SEND_SPACING)
        return VolumeGeometry.from_spacing(shape, spacing_mm), (flag_supplied(spacing_mm, IN_MASK),)
    geometry = VolumeGeometry(shape, affine)
    if is_placeholder(geometry):
        return replace_placeholder(geometry, spacing_mm, IN_MASK)
    check_spacing(geometry.spacing_mm, spacing_mm)
    return geometry, ()


def is_placeholder(geometry: VolumeGeometry) -> bool:
    """Return whether the affine is what programs write that know none: 1 mm along each unrotated axis."""
    return np.array_equal(np.abs(geometry.affine), np.eye(4))


def replace_placeholder(
    geometry: VolumeGeometry, spacing_mm: Float3 | None, consequence: str
) -> tuple[VolumeGeometry, tuple[Flag, ...]]:
    """Return the grid of a file with a placeholder affine: with the supplied spacing, else its own 1 mm and a flag."""
    if spacing_mm is None:
        return geometry, (flag_suspicious(),)
    if np.allclose(geometry.spacing_mm, spacing_mm, rtol=SPACING_TOLERANCE, atol=0):
        return geometry, ()
    return VolumeGeometry.from_spacing(geometry.shape, spacing_mm), (flag_supplied(spacing_mm, consequence),)


def check_spacing(own: Float3, supplied: Float3 | None) -> None:
    """Raise `NotMeasurable` where the spacing that came with a file is not the file's own."""
    if supplied is None or np.allclose(own, supplied, rtol=SPACING_TOLERANCE, atol=0):
        return
    raise NotMeasurable(
        "spacing_contradicts_file",
        "the spacing that came with the file is not the file's own",
        expected=f"{format_steps(np.asarray(own))} mm, or no spacing_mm",
        got=f"{format_steps(np.asarray(supplied))} mm",
        remedy="leave out spacing_mm, or correct the file's header",
    )


def flag_suspicious() -> Flag:
    """Return the flag of a file whose header says 1 mm as programs do that know no spacing."""
    return Flag(
        code=SPACING_SUSPICIOUS,
        detail="the header says 1 mm along each axis, unturned, from the origin on: what programs write that know no "
        "spacing; with another one, volume and sizes are others",
        remedy="write the spacing into the file's header, or send it along as spacing_mm, even if it is 1,1,1",
    )


def flag_supplied(spacing_mm: Float3, consequence: str) -> Flag:
    """Return the flag of a file whose spacing came with the request; `consequence` is what that means for the mask."""
    return Flag(
        code=SPACING_SUPPLIED,
        detail=f"the file has no spacing; {format_steps(np.asarray(spacing_mm))} mm came with the request; "
        f"{consequence}",
        remedy="write the spacing into the file's header",
    )


def format_steps(values: NDArray[np.float64]) -> str:
    """Return lengths as people write them: 0.4 x 0.4 x 0.5."""
    return " x ".join(f"{value:g}" for value in values)
