"""The entry point of the `fetalhead` command; what it does is in `app.cli.commands`, which takes a while to import."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from app.cli.stopping import AtOnce, stop_at_once


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    with AtOnce():
        from app.cli.commands import run
    try:
        return run(arguments)
    finally:
        if arguments is None:  # the process ends now, and waits for threads that may have something to finish
            stop_at_once()


if __name__ == "__main__":
    sys.exit(main())
