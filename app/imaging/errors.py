"""What can be wrong with a volume.

ImagingError
+-- UnreadableFile      the bytes are damaged or incomplete
+-- NotAVolumeFile      the bytes are something else than NIfTI
+-- TooLarge            the file unpacks to more than the limit
+-- NotMeasurable       a readable file of which no volume in mL may be given
"""

from __future__ import annotations


class ImagingError(Exception):
    """A volume that cannot be used: what was found, what was expected and how to mend it."""

    def __init__(
        self,
        code: str,
        detail: str,
        expected: str | None = None,
        got: str | None = None,
        remedy: str | None = None,
    ) -> None:
        """`code` is stable and meant for machines; everything else is meant for people."""
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
    """The bytes are damaged or incomplete."""


class NotAVolumeFile(ImagingError):  # noqa: N818
    """The bytes are not a NIfTI file."""


class TooLarge(ImagingError):  # noqa: N818
    """The file holds, or unpacks to, more than the limit allows."""


class NotMeasurable(ImagingError):  # noqa: N818
    """The file can be read, but no volume in mL may be given for it."""
