"""Exit codes of `fetalhead`, and its errors, for people and for machines."""

from __future__ import annotations

import json
import sys
from typing import Final

FINE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
NO_MODEL: Final = 3
INTERRUPTED: Final = 130
NO_RUNTIME: Final = (
    "No ONNX Runtime is installed. Install one: pip install 'fetalhead[cpu]', or 'fetalhead[gpu]' for CUDA."
)


def complain(text: str, code: int, as_json: bool = False) -> int:
    """Says on standard error what went wrong, as a line or as a JSON object, and gives the exit code."""
    line = json.dumps({"error": text, "exit_code": code}) if as_json else f"fetalhead: {text}"
    print(line, file=sys.stderr)
    return code
