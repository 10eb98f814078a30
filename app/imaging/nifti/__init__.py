"""NIfTI files as untrusted input: header, affine, stream, and edited masks."""
