"""Forbidding the runtimes' telemetry.

ONNX Runtime (since 1.29) sends events to Microsoft and keeps an identifier of the machine, unless a variable forbids it
before the import. The Python package of OpenVINO sends an event to Google Analytics as soon as it is imported, through
its model converter, which is not needed here.
"""

from __future__ import annotations

import os
import sys

ONNX_RUNTIME_SAYS_NOTHING = "ORT_DISABLE_TELEMETRY"
UNIMPORTABLE = ("openvino.tools.ovc", "openvino_telemetry")
"""OpenVINO works without its converter; the module that sends is kept out too."""


def forbid_telemetry() -> None:
    """Keep runtimes that are imported from now on from opening connections and writing files."""
    if os.environ.get(ONNX_RUNTIME_SAYS_NOTHING) != "1":  # set only once, as other threads may be reading
        os.environ[ONNX_RUNTIME_SAYS_NOTHING] = "1"
    for name in UNIMPORTABLE:
        sys.modules[name] = None  # type: ignore[assignment] # the import system's own way to say "not importable"
