"""Errors of volumes and their files.

ImagingError
+-- UnreadableFile      the bytes are damaged or incomplete
+-- NotAVolumeFile      the bytes are of no format that is read
+-- TooLarge            the file unpacks to more than the limit
+-- NotMeasurable       a readable file that must not be measured
"""

from __future__ import annotations


class ImagingError(Exception):
    """A volume that cannot be used: what was found, what was expected, and the remedy."""

    def __init__(
        self,
        code: str,
        detail: str,
        expected: str | None = None,
        got: str | None = None,
        remedy: str | None = None,
    ) -> None:
        """Describe the error; `code` is stable and meant for machines, everything else for people."""
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.expected = expected
        self.got = got
        self.remedy = remedy

    def __str__(self) -> str:
        """Return the detail, followed by what was expected, what was found and the remedy."""
        parts = [self.detail]
        parts += [f"expected {self.expected}"] if self.expected else []
        parts += [f"got {self.got}"] if self.got else []
        parts += [self.remedy] if self.remedy else []
        return "; ".join(parts)


class UnreadableFile(ImagingError):  # noqa: N818
    """A file whose bytes are damaged or incomplete."""


class NotAVolumeFile(ImagingError):  # noqa: N818
    """A file of no format that is read."""


class TooLarge(ImagingError):  # noqa: N818
    """A file that holds, or unpacks to, more than the limit allows."""


class NotMeasurable(ImagingError):  # noqa: N818
    """A file that can be read, but must not be measured."""
