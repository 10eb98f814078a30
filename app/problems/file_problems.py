"""Problems of the uploaded file: the codes that `app.imaging` raises, and a fallback for each status."""

from __future__ import annotations

from collections.abc import Iterator

from app.problems.problem_type import ProblemType

RESEND = "Send the complete file again; if it fails again, export it anew with the program that made it."
CONVERT = "Convert the scan to NIfTI-1 or NIfTI-2 (.nii or .nii.gz)."
EXPORT = "Export the volume again as grey-scale NIfTI, one volume to a file."
GEOMETRY = "Export the file anew with a correct qform or sform, in millimetres."
CROP = "Crop the volume to the head, store it as 8-bit integers, or ask the operator to raise the limit."


def list_file_problems() -> Iterator[ProblemType]:
    """Yield every problem of a file."""
    for code, meaning in _UNREADABLE.items():
        yield ProblemType(code, 400, "Unreadable file", meaning, RESEND)
    for code, meaning in _TOO_LARGE.items():
        yield ProblemType(code, 413, "Volume too large", meaning, CROP)
    for code, meaning in _NOT_A_VOLUME.items():
        yield ProblemType(code, 415, "Not a volume file", meaning, CONVERT)
    for code, (meaning, remedy) in _NOT_MEASURABLE.items():
        yield ProblemType(code, 422, "Not measurable", meaning, remedy)


_UNREADABLE = {
    "unreadable": "The file is damaged or incomplete.",
    "empty_file": "The file is empty.",
    "truncated": "The file ends before its last voxel.",
    "truncated_gzip": "The compressed file is incomplete.",
    "damaged_gzip": "The compressed file is damaged.",
    "excess_bytes": "The file holds more than its header announces.",
    "bad_dimensions": "The header's dimensions are impossible.",
    "bad_voxel_offset": "The header's offset of the voxels is impossible.",
    "unknown_type": "The header's voxel type does not exist.",
}
_TOO_LARGE = {
    "too_large": "The file holds, or unpacks to, more than this service accepts.",
    "too_many_voxels": "The header announces more voxels than this service accepts.",
    "unpacks_too_large": "The compressed file unpacks to more than this service accepts.",
}
_NOT_A_VOLUME = {
    "not_a_volume": "The file is not NIfTI.",
    "not_nifti": "The file does not begin with a NIfTI header.",
    "wrong_magic": "The header lacks NIfTI's magic string.",
    "header_of_a_pair": "Only the header of a .hdr/.img pair was sent.",
}
_NOT_MEASURABLE = {
    "not_measurable": ("The file can be read, but it must not be measured.", EXPORT),
    "not_three_dimensional": ("The file holds a picture, not a volume.", EXPORT),
    "several_volumes": ("The file holds more than one volume.", "Send one volume of the series."),
    "unsupported_type": ("The voxels are colours or complex numbers.", EXPORT),
    "bad_scaling": ("The header's scaling of values is not finite.", EXPORT),
    "not_finite": ("Some voxels are not a number, or infinite.", EXPORT),
    "values_out_of_range": ("The values are too large for computation.", EXPORT),
    "empty_image": ("Every voxel is zero.", EXPORT),
    "constant_image": ("Every voxel has the same value.", EXPORT),
    "empty_field_of_view": ("No part of the volume is left on the network's grid.", EXPORT),
    "extent_too_large": (
        "The volume is larger than any ultrasound probe sees.",
        "Check the spacing and its unit in the file's header; crop what is not part of the scan.",
    ),
    "too_small": ("The volume is too small to show a head.", "Send the whole scan, not a cut-out of it."),
    "mask_grid_differs": (
        "The mask does not lie on the grid of the volume that was measured.",
        "Draw on the volume that was measured, or resample the mask onto the grid of the measured one.",
    ),
    "empty_mask": ("The mask marks nothing.", "Mark the head, or record the decision reject."),
    "not_a_mask": ("The file has more than one foreground label.", "Keep only the head's label."),
    "no_spacing": (
        "The file does not say how large its voxels are.",
        "Write the spacing into the header, or send it in the field spacing_mm.",
    ),
    "spacing_out_of_range": (
        "No ultrasound volume of a fetal head has this spacing.",
        "Check the spacing and its unit in the file's header.",
    ),
    "spacing_contradicts_file": (
        "The field spacing_mm contradicts the file.",
        "Leave out spacing_mm, or correct the file's header.",
    ),
    "unknown_units": ("The header's unit of length does not exist.", GEOMETRY),
    "pixdim_contradicts_affine": ("The header states two different spacings.", GEOMETRY),
    "qform_sform_disagree": (
        "qform and sform place the volume differently.",
        "Set the code of the wrong one to 0.",
    ),
    "qform_invalid": ("The qform's quaternion is not a rotation.", GEOMETRY),
    "affine_not_finite": ("The affine holds values that are not numbers.", GEOMETRY),
    "affine_singular": ("The affine maps the volume onto a plane, a line or a point.", GEOMETRY),
    "affine_sheared": (
        "The affine's axes are not at right angles.",
        "Resample the volume onto a rectangular grid.",
    ),
}
