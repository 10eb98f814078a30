"""The endings of names that scans have, by format; apart from the readers, so that a command can start without them."""

from __future__ import annotations

from typing import Final

NIFTI: Final = (".nii.gz", ".nii")
NRRD: Final = (".nrrd",)
METAIMAGE: Final = (".mha",)
DICOM: Final = (".dcm",)
KRETZ: Final = (".vol", ".v00")
ENDINGS: Final = (*NIFTI, *NRRD, *METAIMAGE, *DICOM, *KRETZ)
DETACHED: Final = (".nhdr", ".mhd")
"""Endings of headers whose voxels lie in another file: found in folders, and refused with a remedy."""
