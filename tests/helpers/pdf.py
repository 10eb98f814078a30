"""Reading what a PDF says."""

import re
import subprocess

from tests.helpers.system_packages import require


def text_of(pdf: bytes) -> str:
    """Its text, and a check that it is one page."""
    program = require("pdftotext", package="poppler-utils")
    command = [program, "-layout", "-", "-"]
    text = subprocess.run(command, input=pdf, capture_output=True, check=True).stdout.decode()
    assert text.count("\f") == 1
    return re.sub(r"\s+", " ", text)
