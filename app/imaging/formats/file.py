"""A decoded file, whatever its format was."""

from __future__ import annotations

from dataclasses import dataclass

from app.contract.findings import Flag
from app.contract.upload import (
    FILL_AMBIGUOUS,
    FOREIGN_VALUES,
    GEOMETRY_FROM_KRETZ,
    LOSSY_COMPRESSION,
    SPACING_SUSPICIOUS,
)
from app.contract.value import Verdict
from app.imaging.formats.checks import DecodeLimits, check_measurable
from app.imaging.nifti.header import NiftiHeader, header_on_grid
from app.imaging.volume import Volume

DOUBTS = frozenset((SPACING_SUSPICIOUS, GEOMETRY_FROM_KRETZ, FILL_AMBIGUOUS, FOREIGN_VALUES, LOSSY_COMPRESSION))
"""Flags of a file whose measurement is to be reviewed."""


@dataclass(frozen=True, eq=False)
class VolumeFile:
    """A volume in the file's own number type, the NIfTI header that its mask gets, and flags for what was assumed."""

    volume: Volume
    header: NiftiHeader
    flags: tuple[Flag, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The best verdict that a measurement of this file may have."""
        return "review" if DOUBTS.intersection(flag.code for flag in self.flags) else "ok"


def on_own_grid(volume: Volume, flags: tuple[Flag, ...], limits: DecodeLimits) -> VolumeFile:
    """Return the file of a volume that came without a NIfTI header; `NotMeasurable` where its grid is no scan's."""
    check_measurable(volume.geometry, limits)
    return VolumeFile(volume, header_on_grid(volume.geometry), flags)
