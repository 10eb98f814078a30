"""Every problem that the service reports; `docs/errors.md` and the pages below `/problems` show this table."""

from __future__ import annotations

from app.problems.file_problems import list_file_problems
from app.problems.problem_type import ProblemType

LATER = "Send the request again after the time in Retry-After."

_REQUEST = (
    ProblemType(
        "bad_request", 400, "Bad request", "The request cannot be understood.", "Compare it with the example in /docs."
    ),
    ProblemType(
        "malformed_multipart",
        400,
        "Malformed multipart body",
        "The body is not complete, well-formed multipart/form-data.",
        "Let an HTTP library build the body: curl -F volume=@head.nii.gz",
    ),
    ProblemType(
        "malformed_json",
        400,
        "Malformed JSON",
        "The body is not well-formed JSON.",
        "Let a JSON library write the body; names and texts stand between double quotes.",
    ),
    ProblemType("not_found", 404, "Not found", "There is nothing at this path.", "See /docs for the existing paths."),
    ProblemType(
        "unknown_segmentation",
        404,
        "Unknown segmentation",
        "No segmentation has this identifier; it never existed, or it was erased.",
        "Use the Location of an answer to POST /segment, or an item of GET /volume.",
    ),
    ProblemType(
        "unknown_layer",
        404,
        "Unknown layer",
        "This measurement was stored without this layer.",
        "Measure the volume again: every new measurement keeps its layers.",
    ),
    ProblemType(
        "unknown_model",
        404,
        "Unknown model",
        "The model store has no such version.",
        "Choose a version that GET /models lists.",
    ),
    ProblemType("method_not_allowed", 405, "Method not allowed", "This path does not take the method.", "See /docs."),
    ProblemType(
        "not_acceptable",
        406,
        "Not acceptable",
        "None of the media types in Accept is available.",
        "Name an available one, or leave Accept out.",
    ),
    ProblemType(
        "upload_timeout",
        408,
        "Upload took too long",
        "The body did not arrive in time.",
        "Send the file compressed (.nii.gz), over a faster line.",
    ),
    ProblemType(
        "key_reused",
        409,
        "Idempotency-Key used before",
        "This Idempotency-Key belongs to an earlier request with other content.",
        "Send a new key with new content.",
    ),
    ProblemType(
        "not_edited",
        409,
        "No edited mask",
        "The decision edit needs an edited mask, and none was stored.",
        "Send the mask first (PUT /segmentations/{id}/mask), or choose the decision accept or reject.",
    ),
    ProblemType(
        "nothing_to_accept",
        409,
        "Nothing to accept",
        "The measurement has the verdict reject: it has no volume that could be accepted.",
        "Choose the decision reject; or send a corrected mask (PUT /segmentations/{id}/mask) and choose edit.",
    ),
    ProblemType(
        "not_completed",
        409,
        "Not completed",
        "The segmentation has no result, or none yet.",
        "Ask for the segmentation's status first.",
    ),
    ProblemType(
        "activation_failed",
        409,
        "Model not activated",
        "The version could not be activated: its files, its self-test or its runtime failed. The earlier model stays.",
        "Run fetalhead models verify; restore or publish the version again.",
    ),
    ProblemType(
        "body_too_large",
        413,
        "Body too large",
        "The request is larger than this service accepts.",
        "Send the file compressed (.nii.gz), or ask the operator to raise FETALHEAD_MAX_UPLOAD_BYTES.",
    ),
    ProblemType(
        "not_multipart",
        415,
        "Not multipart/form-data",
        "The request's body has another media type than expected.",
        "Send the file as the field volume: curl -F volume=@head.nii.gz",
    ),
    ProblemType(
        "content_coded",
        415,
        "Compressed request",
        "The request's body is compressed as a whole.",
        "Send the body as it is; the file in it may be compressed (.nii.gz).",
    ),
    ProblemType(
        "not_bare",
        415,
        "A form, not the bare file",
        "The mask was sent inside a form.",
        "Send the file alone as the request's body: curl -T mask.nii.gz",
    ),
)
_ACCESS = (
    ProblemType(
        "unauthenticated",
        401,
        "Not authenticated",
        "The request has no valid key or token.",
        "Send Authorization: Bearer with an API key or a token of the identity provider.",
    ),
    ProblemType(
        "forbidden",
        403,
        "Not allowed",
        "The caller's role does not allow this.",
        "Use a key or token with the expected role, or ask an admin.",
    ),
    ProblemType(
        "cross_origin",
        403,
        "Sent from elsewhere",
        "Without authentication, the service refuses requests from other sites' pages and under other host names.",
        "Use the address that the service listens on, or turn authentication on.",
    ),
    ProblemType("rate_limited", 429, "Too many requests", "This caller sends more requests than it may.", LATER),
    ProblemType(
        "identity_provider_unreachable",
        503,
        "Identity provider unreachable",
        "The keys to verify the token with could not be fetched.",
        LATER,
    ),
)
_FIELDS = (
    ProblemType(
        "missing_volume", 422, "No volume", "The form has no field volume.", "Send the file as the field volume."
    ),
    ProblemType(
        "unknown_field", 422, "Unknown field", "The form has an unknown field.", "Leave it out, or correct it."
    ),
    ProblemType(
        "repeated_field", 422, "Repeated field", "A field occurs more than once.", "Send one volume per request."
    ),
    ProblemType(
        "invalid_decision",
        422,
        "Invalid decision",
        "The decision cannot be recorded as it was sent.",
        'Send {"decision": "accept", "edit" or "reject", "reason": "..."} as JSON.',
    ),
    ProblemType("invalid_field", 422, "Invalid field", "A field's value cannot be used.", "Correct the field."),
    ProblemType(
        "invalid_parameter", 422, "Invalid parameter", "A parameter's value cannot be used.", "Correct the parameter."
    ),
)
_SERVICE = (
    ProblemType(
        "internal",
        500,
        "Internal error",
        "The service failed.",
        "Send the request again; if it fails again, give the operator the id.",
    ),
    ProblemType(
        "damaged_record",
        500,
        "Damaged record",
        "A stored file is missing or is not what was stored.",
        "Measure the volume again; the operator restores the file from a backup.",
    ),
    ProblemType(
        "report_not_installed",
        501,
        "Reports are not installed",
        "This installation cannot draw reports.",
        "Ask the operator to install them: pip install 'fetalhead[report]'",
    ),
    ProblemType(
        "out_of_memory",
        503,
        "Out of memory",
        "This volume needs more memory than the service has now; nothing was measured.",
        "Crop the volume to the head, or send it again when the service is less busy.",
    ),
    ProblemType(
        "storage_unavailable",
        503,
        "Storage unavailable",
        "The disk is full or cannot be written; nothing was stored.",
        LATER,
    ),
    ProblemType("queue_full", 503, "Queue full", "The queue of waiting requests is full.", LATER),
    ProblemType(
        "database_unavailable", 503, "Database unavailable", "The database does not answer; nothing was stored.", LATER
    ),
    ProblemType("not_ready", 503, "Not ready", "The model is being loaded and tested.", LATER),
    ProblemType(
        "model_failed",
        503,
        "Model failed",
        "The model could not be loaded, or failed its self-test; nothing is measured with it.",
        "The operator finds a damaged file with fetalhead models verify, any other reason in the service's log.",
    ),
    ProblemType("stopping", 503, "Stopping", "The service is stopping and only finishes what it has begun.", LATER),
    ProblemType(
        "interrupted",
        503,
        "Interrupted",
        "The service stopped before this segmentation was finished.",
        "Send the volume again.",
    ),
    ProblemType(
        "computation_timeout",
        504,
        "Computation stopped",
        "The segmentation took longer than this service allows, and was stopped.",
        "Crop the volume to the head, or ask the operator to raise FETALHEAD_SEGMENTATION_TIMEOUT_S.",
    ),
    ProblemType(
        "result_timeout",
        504,
        "Result not ready in time",
        "The result was not ready within the time a request may wait; the work continues.",
        "Ask for the segmentation at Location, or send Prefer: respond-async.",
    ),
)


def _index_by_code() -> dict[str, ProblemType]:
    kinds = (*_REQUEST, *_ACCESS, *_FIELDS, *list_file_problems(), *_SERVICE)
    return {kind.code: kind for kind in sorted(kinds, key=lambda kind: (kind.status, kind.code))}


PROBLEMS = _index_by_code()
