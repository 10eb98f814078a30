"""The arguments of `fetalhead compare`; `app.cli.comparing`, which runs it, takes a second to import."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from app.cli.stopping import AtOnce
from app.console import Commands
from app.settings import Settings

EPILOG: Final = """\
Example: outlines drawn by hand in outlines/, named like the scans:

  fetalhead segment scans -o results
  fetalhead compare results outlines

A mask belongs to the scan of the same name, in the same subfolder or, where the name is unique, in any. An ending such
as _mask, _seg, _label or _truth is no part of the name, nor is _0000. A mask is 0 outside the head, has one other value
inside, and lies on the scan's own grid.

OUT gets cases.csv (every case: both volumes, error, DSC, Jaccard, conformity, distances, whether the interval held the
true volume, or why it was not compared), summary.json, and agreement.svg, the Bland-Altman plot. A file in OUT that
this command did not write, or that was changed since, is never replaced.

Exit codes: 0 every mask was compared; 1 some could not be, the others are done; 2 wrong arguments, or nothing to
compare; 130 stopped."""


def add_compare(commands: Commands) -> None:
    """Add the command and its arguments."""
    compare = commands.add_parser(
        "compare",
        help="compare results with true masks: overlap, volume errors, Bland-Altman limits",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EPILOG,
    )
    compare.add_argument("results", type=Path, metavar="RESULTS", help="folder that fetalhead segment wrote")
    compare.add_argument("masks", type=Path, metavar="MASKS", help="folder of true masks, .nii or .nii.gz")
    compare.add_argument("--out", type=Path, metavar="OUT", help="folder for the files (default: RESULTS/comparison)")
    compare.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    compare.set_defaults(command=_run)


def _run(options: argparse.Namespace, _: Settings) -> int:
    with AtOnce():
        from app.cli.comparing import run_compare

        return run_compare(options)
