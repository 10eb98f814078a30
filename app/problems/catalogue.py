"""Every problem that the service reports; `docs/errors.md` and the pages below `/problems` show this table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

LATER = "Send the request again after the time in Retry-After."
RESEND = "Send the complete file again; if it fails again, export it anew with the program that made it."
CONVERT = "Convert the scan to NIfTI-1 or NIfTI-2 (.nii or .nii.gz), NRRD (.nrrd) or MetaImage (.mha)."
EXPORT = "Export the volume again as grey-scale NIfTI, one volume to a file."
GEOMETRY = "Export the file anew with a correct qform or sform, in millimetres."
CROP = "Crop the volume to the head, store it as 8-bit integers, or ask the operator to raise the limit."


@dataclass(frozen=True)
class ProblemType:
    """One kind of problem (RFC 9457): a stable code, its status, its meaning and its remedy."""

    code: str
    status: int
    title: str
    meaning: str
    remedy: str


_REQUESTS = {
    ("bad_request", 400, "Bad request"): ("The request cannot be understood.", "Compare it with the example in /docs."),
    ("malformed_multipart", 400, "Malformed multipart body"): (
        "The body is not complete, well-formed multipart/form-data.",
        "Let an HTTP library build the body: curl -F volume=@head.nii.gz",
    ),
    ("malformed_json", 400, "Malformed JSON"): (
        "The body is not well-formed JSON.",
        "Let a JSON library write the body; names and texts stand between double quotes.",
    ),
    ("not_found", 404, "Not found"): ("There is nothing at this path.", "See /docs for the existing paths."),
    ("unknown_segmentation", 404, "Unknown segmentation"): (
        "No segmentation has this identifier; it never existed, or it was erased.",
        "Use the Location of an answer to POST /segment, or an item of GET /volume.",
    ),
    ("unknown_layer", 404, "Unknown layer"): (
        "This measurement was stored without this layer.",
        "Measure the volume again: every new measurement keeps its layers.",
    ),
    ("unknown_model", 404, "Unknown model"): (
        "The model store has no such version.",
        "Choose a version that GET /models lists.",
    ),
    ("method_not_allowed", 405, "Method not allowed"): ("This path does not take the method.", "See /docs."),
    ("not_acceptable", 406, "Not acceptable"): (
        "None of the media types in Accept is available.",
        "Name an available one, or leave Accept out.",
    ),
    ("upload_timeout", 408, "Upload took too long"): (
        "The body did not arrive in time.",
        "Send the file compressed (.nii.gz), over a faster line.",
    ),
    ("key_reused", 409, "Idempotency-Key used before"): (
        "This Idempotency-Key belongs to an earlier request with other content.",
        "Send a new key with new content.",
    ),
    ("not_edited", 409, "No edited mask"): (
        "The decision edit needs an edited mask, and none was stored.",
        "Send the mask first (PUT /segmentations/{id}/mask), or choose the decision accept or reject.",
    ),
    ("nothing_to_accept", 409, "Nothing to accept"): (
        "The mask has the verdict reject: it has no volume that could be accepted.",
        "Choose the decision reject; or send a corrected mask (PUT /segmentations/{id}/mask) and choose edit.",
    ),
    ("not_completed", 409, "Not completed"): (
        "The segmentation has no result, or none yet.",
        "Ask for the segmentation's status first.",
    ),
    ("activation_failed", 409, "Model not activated"): (
        "The version could not be activated: its files, its self-test or its runtime failed. The earlier model stays.",
        "Run fetalhead models verify; restore or publish the version again.",
    ),
    ("body_too_large", 413, "Body too large"): (
        "The request is larger than this service accepts.",
        "Send the file compressed (.nii.gz), or ask the operator to raise FETALHEAD_MAX_UPLOAD_BYTES.",
    ),
    ("not_multipart", 415, "Not multipart/form-data"): (
        "The request's body has another media type than expected.",
        "Send the file as the field volume: curl -F volume=@head.nii.gz",
    ),
    ("content_coded", 415, "Compressed request"): (
        "The request's body is compressed as a whole.",
        "Send the body as it is; the file in it may be compressed (.nii.gz).",
    ),
    ("not_bare", 415, "A form, not the bare file"): (
        "The mask was sent inside a form.",
        "Send the file alone as the request's body: curl -T mask.nii.gz",
    ),
    ("unauthenticated", 401, "Not authenticated"): (
        "The request has no valid key or token.",
        "Send Authorization: Bearer with an API key or a token of the identity provider.",
    ),
    ("forbidden", 403, "Not allowed"): (
        "The caller's role does not allow this.",
        "Use a key or token with the expected role, or ask an admin.",
    ),
    ("cross_origin", 403, "Sent from elsewhere"): (
        "Without authentication, the service refuses requests from other sites' pages and under other host names.",
        "Use the address that the service listens on, or turn authentication on.",
    ),
    ("rate_limited", 429, "Too many requests"): ("This caller sends more requests than it may.", LATER),
    ("identity_provider_unreachable", 503, "Identity provider unreachable"): (
        "The keys to verify the token with could not be fetched.",
        LATER,
    ),
    ("missing_volume", 422, "No volume"): ("The form has no field volume.", "Send the file as the field volume."),
    ("unknown_field", 422, "Unknown field"): ("The form has an unknown field.", "Leave it out, or correct it."),
    ("repeated_field", 422, "Repeated field"): ("A field occurs more than once.", "Send one volume per request."),
    ("invalid_decision", 422, "Invalid decision"): (
        "The decision cannot be recorded as it was sent.",
        'Send {"decision": "accept", "edit" or "reject", "reason": "..."} as JSON.',
    ),
    ("invalid_field", 422, "Invalid field"): ("A field's value cannot be used.", "Correct the field."),
    ("invalid_parameter", 422, "Invalid parameter"): ("A parameter's value cannot be used.", "Correct the parameter."),
    ("internal", 500, "Internal error"): (
        "The service failed.",
        "Send the request again; if it fails again, give the operator the id.",
    ),
    ("damaged_record", 500, "Damaged record"): (
        "A stored file is missing or is not what was stored.",
        "Measure the volume again; the operator restores the file from a backup.",
    ),
    ("report_not_installed", 501, "Reports are not installed"): (
        "This installation cannot draw reports.",
        "Ask the operator to install them: pip install 'fetalhead[report]'",
    ),
    ("out_of_memory", 503, "Out of memory"): (
        "This volume needs more memory than the service has now; nothing was measured.",
        "Crop the volume to the head, or send it again when the service is less busy.",
    ),
    ("storage_unavailable", 503, "Storage unavailable"): (
        "The disk is full or cannot be written; nothing was stored.",
        LATER,
    ),
    ("queue_full", 503, "Queue full"): ("The queue of waiting requests is full.", LATER),
    ("database_unavailable", 503, "Database unavailable"): ("The database does not answer; nothing was stored.", LATER),
    ("not_ready", 503, "Not ready"): ("The model is being loaded and tested.", LATER),
    ("model_failed", 503, "Model failed"): (
        "The model could not be loaded, or failed its self-test; nothing is measured with it.",
        "The operator finds a damaged file with fetalhead models verify, any other reason in the service's log.",
    ),
    ("stopping", 503, "Stopping"): ("The service is stopping and only finishes what it has begun.", LATER),
    ("interrupted", 503, "Interrupted"): (
        "The service stopped before this segmentation was finished.",
        "Send the volume again.",
    ),
    ("computation_timeout", 504, "Computation stopped"): (
        "The segmentation took longer than this service allows, and was stopped.",
        "Crop the volume to the head, or ask the operator to raise FETALHEAD_SEGMENTATION_TIMEOUT_S.",
    ),
    ("result_timeout", 504, "Result not ready in time"): (
        "The result was not ready within the time a request may wait; the work continues.",
        "Ask for the segmentation at Location, or send Prefer: respond-async.",
    ),
}
_FILES: dict[tuple[int, str], dict[str, tuple[str, str]]] = {
    (400, "Unreadable file"): {
        "unreadable": ("The file is damaged or incomplete.", RESEND),
        "empty_file": ("The file is empty.", RESEND),
        "truncated": ("The file ends before its last voxel.", RESEND),
        "truncated_gzip": ("The compressed file is incomplete.", RESEND),
        "damaged_gzip": ("The compressed file is damaged.", RESEND),
        "excess_bytes": ("The file holds more than its header announces.", RESEND),
        "bad_dimensions": ("The header's dimensions are impossible.", RESEND),
        "bad_voxel_offset": ("The header's offset of the voxels is impossible.", RESEND),
        "unknown_type": ("The header's voxel type does not exist.", RESEND),
    },
    (413, "Volume too large"): {
        "too_large": ("The file holds, or unpacks to, more than this service accepts.", CROP),
        "too_many_voxels": ("The header announces more voxels than this service accepts.", CROP),
        "unpacks_too_large": ("The compressed file unpacks to more than this service accepts.", CROP),
    },
    (415, "Not a volume file"): {
        "not_a_volume": ("The file is of no format that this service reads.", CONVERT),
        "not_nifti": ("The file begins neither with a NIfTI header nor as another format that is read.", CONVERT),
        "wrong_magic": ("The header lacks NIfTI's magic string.", CONVERT),
        "header_of_a_pair": (
            "Only a header was sent; its voxels lie in another file.",
            "Save the scan as one file: .nii, .nii.gz, .nrrd or .mha.",
        ),
        "vendor_format": (
            "The volume is stored in a vendor's own format, which is not read here.",
            "Export the volume as DICOM Enhanced US Volume, or save it from 3D Slicer as NRRD.",
        ),
        "unsupported_encoding": (
            "The voxels are stored in a way that this service does not read.",
            "Save the scan uncompressed or gzipped, or as NIfTI.",
        ),
    },
    (422, "Not measurable"): {
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
        "uneven_planes": (
            "The planes of a DICOM volume do not lie at equal distances.",
            "Export the volume on a regular grid.",
        ),
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
        "impossible_beams": ("The file describes beams that no probe sends.", "Export the scan again."),
        "affine_singular": ("The affine maps the volume onto a plane, a line or a point.", GEOMETRY),
        "affine_sheared": (
            "The affine's axes are not at right angles.",
            "Resample the volume onto a rectangular grid.",
        ),
    },
}


def _list_problems() -> Iterator[ProblemType]:
    for (code, status, title), (meaning, remedy) in _REQUESTS.items():
        yield ProblemType(code, status, title, meaning, remedy)
    for (status, title), texts in _FILES.items():
        for code, (meaning, remedy) in texts.items():
            yield ProblemType(code, status, title, meaning, remedy)


PROBLEMS = {kind.code: kind for kind in sorted(_list_problems(), key=lambda kind: (kind.status, kind.code))}
