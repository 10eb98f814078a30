"""The arguments of `fetalhead segment`; `app.cli.batch`, which runs it, takes seconds to import."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from app.cli.stopping import AtOnce
from app.console import Commands, positive
from app.contract.upload import FieldError, VolumeFields
from app.settings import Settings

AXES: Final = 3
EPILOG: Final = """\
Each IN.nii.gz gives IN_mask.nii.gz, IN_preview.png and IN.json in OUT, and so does IN with the ending of any other
format that is read: .nii, .nrrd, .mha, .dcm, .vol. A folder is searched by them, and its subfolders are kept.
results.csv and results.jsonl list every case in OUT, of this run and of others. With -o - the mask of a single file
goes to standard output, and everything else to standard error.

Results in OUT of the same file, model, subject, age and spacing are kept, so that the same command continues a
stopped run.
A file in OUT that this command did not write, or that was changed since, is never replaced.

Exit codes: 0 every case has a result (whatever its verdict); 1 some case failed, the others are done; 2 wrong
arguments; 3 no model can be run, or the service cannot be reached; 130 stopped."""


def add_segment(commands: Commands) -> None:
    """Add the command and its arguments."""
    segment = commands.add_parser(
        "segment",
        help="measure files and folders, on this machine or with a service",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EPILOG,
    )
    segment.add_argument(
        "inputs", nargs="+", type=Path, metavar="IN", help="volumes of any format that is read, or folders of them"
    )
    segment.add_argument(
        "-o", "--output", required=True, type=Path, metavar="OUT", help="folder for the results; - for standard output"
    )
    segment.add_argument("--json", action="store_true", help="print one JSON object per file")
    segment.add_argument(
        "--gestational-age-weeks", type=_reader("gestational_age_weeks"), metavar="WEEKS", help="of all files, 10 to 42"
    )
    segment.add_argument(
        "--spacing-mm",
        type=_reader("spacing_mm", AXES),
        metavar="X,Y,Z",
        help="voxel size of files without one; one number for all axes",
    )
    segment.add_argument("--subject", type=_reader("subject"), help="pseudonym that every file belongs to")
    segment.add_argument(
        "--cases",
        type=Path,
        metavar="FILE.csv",
        help="list with the columns file,subject,weeks,spacing, where these differ from file to file",
    )
    again = segment.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="keep the results that OUT already holds (the default)")
    again.add_argument("--force", action="store_true", help="measure again what OUT already holds")
    segment.add_argument(
        "--jobs", type=positive, default=2, metavar="N", help="files that are read and decoded, or uploaded, at a time"
    )
    segment.add_argument("--pdf", action="store_true", help="also write a one-page report of each file, IN_report.pdf")
    segment.add_argument("--url", help="measure with the service at this URL instead of on this machine")
    segment.add_argument("--api-key", help="key of that service; safer in FETALHEAD_API_KEY, hidden from other users")
    segment.set_defaults(command=_run)


def _run(options: argparse.Namespace, settings: Settings) -> int:
    with AtOnce():
        from app.cli.batch import run_segment

        return run_segment(options, settings)


def _reader(name: str, repeated: int = 1) -> Callable[[str], Any]:
    """Return a parser of a field for argparse; a single number is repeated as often as needed."""

    def parse(text: str) -> Any:
        try:
            fields = VolumeFields.parse(**{name: text if "," in text else ",".join([text] * repeated)})
        except FieldError as error:
            alike = ", or one for all of them" if repeated > 1 else ""
            raise argparse.ArgumentTypeError(f"{text!r} is {error.what}; expected {error.expected}{alike}") from error
        return getattr(fields, name)

    return parse
