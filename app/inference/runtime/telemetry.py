"""The runtimes' own reports to their makers, and how this project forbids them.

ONNX Runtime (since 1.29) sends events to Microsoft and keeps an identifier of the machine, unless a variable says no
before it is imported. The Python package of OpenVINO sends one to Google Analytics as soon as it is imported, by way of
its model converter, which nothing here needs.
"""

from __future__ import annotations

import os
import sys

ONNX_RUNTIME_SAYS_NOTHING = "ORT_DISABLE_TELEMETRY"
UNIMPORTABLE = ("openvino.tools.ovc", "openvino_telemetry")
"""OpenVINO goes without its converter where that cannot be imported; what sends is kept out even then."""


def forbid_telemetry() -> None:
    """Has every runtime that this process imports from now on open no connection and write no file of its own."""
    if os.environ.get(ONNX_RUNTIME_SAYS_NOTHING) != "1":  # written once, as other threads may be reading
        os.environ[ONNX_RUNTIME_SAYS_NOTHING] = "1"
    for name in UNIMPORTABLE:
        sys.modules[name] = None  # type: ignore[assignment] # the import system's own way to say "not importable"
