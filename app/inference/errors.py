"""Errors of a model or its runtime.

InferenceError
+-- ModelNotFound         the store holds no such model or version
+-- DamagedModel          a file is missing, altered, or not what its manifest says
+-- RuntimeUnavailable    no runtime, or not with the requested execution provider
+-- SelfTestFailed        the stored test vector does not give the stored output
+-- OutOfMemory           the network needs more memory than there is; a smaller volume may fit
"""

from __future__ import annotations


class InferenceError(Exception):
    """A model that cannot be served: what was found and the remedy."""

    def __init__(self, code: str, detail: str, remedy: str | None = None) -> None:
        """`code` is stable and meant for machines; the rest is meant for people."""
        super().__init__(detail if remedy is None else f"{detail}; {remedy}")
        self.code = code
        self.detail = detail
        self.remedy = remedy


class ModelNotFound(InferenceError):  # noqa: N818
    """The store holds no such model or version."""


class DamagedModel(InferenceError):  # noqa: N818
    """A file is missing, was altered, or is not what the manifest says."""


class RuntimeUnavailable(InferenceError):  # noqa: N818
    """No runtime is installed, or none with the requested execution provider."""


class SelfTestFailed(InferenceError):  # noqa: N818
    """The stored test vector does not give the stored output."""


class OutOfMemory(InferenceError):  # noqa: N818
    """The network needs more memory than there is."""

    def __init__(self) -> None:
        """Replace the runtime's own text, which names internal nodes and sizes."""
        super().__init__("out_of_memory", "the network needs more memory for this volume than there is")
