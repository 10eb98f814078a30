"""The progress bar of both commands."""

from __future__ import annotations

import sys
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

WHOLE_RUN_S: Final = 1e9
"""The time left is estimated from all that is done: one case may take longer than rich's usual half a minute."""


def progress_bar(*shown: ProgressColumn) -> Progress:
    """Return a bar for standard error, drawn where that is a terminal; what is printed meanwhile passes above it.

    The columns that are given stand between the bar and its times.
    """
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *shown,
        *times,
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        redirect_stdout=sys.stdout.isatty(),
        speed_estimate_period=WHOLE_RUN_S,
        transient=True,
    )
