"""The service's client for Python: `FetalHead`, and `AsyncFetalHead` for asyncio.

>>> with FetalHead() as service:  # doctest: +SKIP
...     print(service.segment("head.nii.gz"))
236.4 mL (227 to 245), ok
"""

from app.client.awaited import AsyncFetalHead
from app.client.blocking import FetalHead
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
    UnexpectedAnswer,
    VolumeRefused,
    WasCancelled,
)
from app.client.result import Result
from app.client.retries import Retries

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
    "UnexpectedAnswer",
    "VolumeRefused",
    "WasCancelled",
]
