"""The command `release`: everything from a preset to a model that can be published."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.console import Commands
from training.cli.shared import add_store, spacing_mm, tell
from training.config.presets import list_presets, load_config
from training.fitting.run_folder import RunFolder

if TYPE_CHECKING:
    from training.release import Arguments


def add_release(commands: Commands) -> None:
    """Add `release`."""
    release = commands.add_parser("release", help="fit, export, gates, calibration, evaluation: all of it; resumable")
    release.add_argument("preset", help=f"one of {', '.join(list_presets())}, or the path of a .toml file")
    release.add_argument(
        "--from", dest="start", help="continue from a model: fetal_head/7, fetal_head or a run's folder"
    )
    release.add_argument("--run", type=Path, help="folder of the run (default: runs/PRESET)")
    release.add_argument("--data", type=Path, help="folder of training phantoms (default: RUN/phantoms)")
    release.add_argument("--scans", type=Path, help="folder of the scans it is measured on (default: RUN/scans)")
    add_store(release, "for --from and --publish", written=True)
    release.add_argument("--minutes", type=float, help="replace the wall-clock budget of every level")
    release.add_argument("--share", type=float, default=1.0, help="of the usual cases of every step; 0.05 for a try")
    release.add_argument("--spacing", type=spacing_mm, default=0.38, help="mm, of the scans it is measured on")
    release.add_argument("--publish", action="store_true", help="as the next version, if no worse than the newest")
    release.set_defaults(command=_release)


def _release(options: argparse.Namespace) -> None:
    from training.release import Release, carry_out, format_command

    wanted = Release(
        preset=options.preset,
        run=RunFolder(options.run) if options.run else RunFolder.of_preset(load_config(options.preset).name),
        store=options.store,
        start=options.start,
        data=options.data,
        scans=options.scans,
        minutes=options.minutes,
        share=options.share,
        spacing_mm=options.spacing,
        publish=options.publish,
    )

    def in_a_process(step: Arguments) -> int:
        out = sys.stderr if options.json else None
        return subprocess.run([sys.executable, "-m", "training.cli.main", *step], check=False, stdout=out).returncode

    for step in carry_out(wanted, in_a_process):
        print(f"\n$ {format_command(step)}", file=sys.stderr if options.json else sys.stdout, flush=True)
    state = "published" if wanted.publish else f"ready; to publish it: {format_command(wanted.make_publish_step())}"
    tell(options, f"\n{wanted.run.candidate}: {state}", candidate=wanted.run.candidate, published=wanted.publish)
