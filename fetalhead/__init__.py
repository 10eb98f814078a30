"""The public name of this package: the service's client, the types of its answers, and the segmenter itself.

>>> from fetalhead import FetalHead
>>> with FetalHead() as service:  # doctest: +SKIP
...     print(service.segment("head.nii.gz"))
236.4 mL (227 to 245), ok

Everything lies in `app`, and is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from app.client import (
        AccessDenied,
        AsyncFetalHead,
        Conflict,
        FetalHead,
        FetalHeadError,
        NotFound,
        Overloaded,
        Result,
        Retries,
        ServiceFailed,
        ServiceProblem,
        ServiceUnreachable,
        TookTooLong,
        UnexpectedAnswer,
        VolumeRefused,
        WasCancelled,
    )
    from app.contract.findings import Biometry, Flag
    from app.contract.report import QualityNumbers, Report
    from app.contract.value import Verdict
    from app.imaging.errors import ImagingError, NotAVolumeFile, NotMeasurable, TooLarge, UnreadableFile
    from app.imaging.formats.file import VolumeFile
    from app.imaging.formats.registry import decode_volume
    from app.imaging.nifti.file import NiftiFile, decode_nifti, encode_nifti
    from app.imaging.volume import Volume, VolumeGeometry
    from app.inference.model_store import ModelStore, StoredModel
    from app.inference.runtime.session import RuntimeSettings
    from app.inference.segmenter import HeadSegmenter, Segmentation
    from model_store import packaged_store

__all__ = [
    "AccessDenied",
    "AsyncFetalHead",
    "Biometry",
    "Conflict",
    "FetalHead",
    "FetalHeadError",
    "Flag",
    "HeadSegmenter",
    "ImagingError",
    "ModelStore",
    "NiftiFile",
    "NotAVolumeFile",
    "NotFound",
    "NotMeasurable",
    "Overloaded",
    "QualityNumbers",
    "Report",
    "Result",
    "Retries",
    "RuntimeSettings",
    "Segmentation",
    "ServiceFailed",
    "ServiceProblem",
    "ServiceUnreachable",
    "StoredModel",
    "TooLarge",
    "TookTooLong",
    "UnexpectedAnswer",
    "UnreadableFile",
    "Verdict",
    "Volume",
    "VolumeFile",
    "VolumeGeometry",
    "VolumeRefused",
    "WasCancelled",
    "decode_nifti",
    "decode_volume",
    "encode_nifti",
    "packaged_store",
]

HOMES: Final = {
    "app.client": (
        "AccessDenied",
        "AsyncFetalHead",
        "Conflict",
        "FetalHead",
        "FetalHeadError",
        "NotFound",
        "Overloaded",
        "Result",
        "Retries",
        "ServiceFailed",
        "ServiceProblem",
        "ServiceUnreachable",
        "TookTooLong",
        "UnexpectedAnswer",
        "VolumeRefused",
        "WasCancelled",
    ),
    "app.contract.findings": ("Biometry", "Flag"),
    "app.contract.report": ("QualityNumbers", "Report"),
    "app.contract.value": ("Verdict",),
    "app.imaging.errors": ("ImagingError", "NotAVolumeFile", "NotMeasurable", "TooLarge", "UnreadableFile"),
    "app.imaging.formats.file": ("VolumeFile",),
    "app.imaging.formats.registry": ("decode_volume",),
    "app.imaging.nifti.file": ("NiftiFile", "decode_nifti", "encode_nifti"),
    "app.imaging.volume": ("Volume", "VolumeGeometry"),
    "app.inference.model_store": ("ModelStore", "StoredModel"),
    "app.inference.runtime.session": ("RuntimeSettings",),
    "app.inference.segmenter": ("HeadSegmenter", "Segmentation"),
    "model_store": ("packaged_store",),
}


if not TYPE_CHECKING:  # to a type checker a name that is not above is an error

    def __getattr__(name: str) -> Any:
        """Import a public name."""
        home = next((module for module, names in HOMES.items() if name in names), None)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(home), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
