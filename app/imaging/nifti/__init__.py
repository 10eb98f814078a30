"""NIfTI files as untrusted input: header, affine, stream, and masks that come back edited."""
