"""The service's client for Python: `FetalHead`, and `AsyncFetalHead` for asyncio.

>>> with FetalHead() as service:  # doctest: +SKIP
...     print(service.segment("head.nii.gz"))
236.4 mL (227 to 245), ok
"""

from app.client.errors import (
    AccessDenied,
    Conflict,
    FetalHeadError,
    NotFound,
    Overloaded,
    ServiceFailed,
    ServiceProblem,
    ServiceUnreachable,
    TookTooLong,
    VolumeRefused,
    WasCancelled,
)
from app.client.protocol import Retries
from app.client.result import Result
from app.client.shells import AsyncFetalHead, FetalHead

__all__ = [
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
    "VolumeRefused",
    "WasCancelled",
]
