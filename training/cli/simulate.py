"""The commands `phantom`, `cohort`, `verify-cohort` and `realism`."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path

from app.console import Commands, positive, zero_or_more
from training.cli.shared import simulate_scans, spacing_mm, tell
from training.config.training import ConfigError
from training.phantom import SimulationRequest, simulate
from training.phantom.cohort import COHORTS, make_cohort, make_nifti_cohort, request_for
from training.phantom.looks import LOOKS
from training.phantom.subject import FAMILIES
from training.progress import with_progress

REALISM = ("test", "shifted", "typical")


class CohortChangedError(Exception):
    """Simulated patients that differ from those of the cohort's version."""


def add_simulate(commands: Commands) -> None:
    """Add these commands."""
    phantom = commands.add_parser("phantom", help="simulate one scan and its truth as NIfTI files")
    phantom.add_argument("out", type=Path, help="folder for volume, truth (.nii.gz), record.json and preview.png")
    phantom.add_argument("--ga", type=float, help="gestational age in weeks; drawn from the seed when left out")
    phantom.add_argument("--seed", type=int, default=1)
    phantom.add_argument("--spacing", type=spacing_mm, default=0.38, help="mm")
    phantom.add_argument("--family", choices=FAMILIES, help="of the head; drawn when left out")
    phantom.add_argument("--look", choices=LOOKS, help="of the image; drawn when left out")
    phantom.set_defaults(command=_phantom)
    cohort = commands.add_parser("cohort", help="simulate a cohort into a folder; resumable")
    cohort.add_argument("out", type=Path)
    cohort.add_argument("--kind", choices=COHORTS, default="train", help="the patients it may be used for")
    cohort.add_argument("--cases", type=positive, required=True)
    cohort.add_argument(
        "--first", type=zero_or_more, default=0, help="number of the first patient of the cohort (default: 0)"
    )
    cohort.add_argument("--spacing", type=spacing_mm, default=1.3, help="mm")
    cohort.add_argument("--family", choices=FAMILIES, help="give every patient such a head; drawn when left out")
    cohort.add_argument("--look", choices=LOOKS, help="give every scan this look; drawn when left out")
    cohort.add_argument(
        "--nifti", action="store_true", help="as a folder of images/ and labels/, like volumes of your own"
    )
    cohort.set_defaults(command=_cohort)
    verify = commands.add_parser("verify-cohort", help="compare the fixed cohort's scenes with the committed digests")
    verify.add_argument("--every", type=positive, default=1, help="check every so many scans of each part")
    verify.set_defaults(command=_verify_cohort)
    realism = commands.add_parser("realism", help="statistics of simulated scans beside those of real ones")
    realism.add_argument(
        "--cohort", choices=COHORTS, nargs="+", default=REALISM, help=f"(default: {' '.join(REALISM)})"
    )
    realism.add_argument("--cases", type=positive, default=24, help="of each cohort")
    realism.add_argument("--spacing", type=spacing_mm, default=1.6, help="mm")
    realism.set_defaults(command=_realism)


def _phantom(options: argparse.Namespace) -> None:
    from app.imaging.nifti.file import encode_volume
    from app.pictures.preview import PreviewText, draw_preview

    try:
        request = SimulationRequest(options.seed, options.spacing, options.ga, options.family, options.look)
        made = simulate(request)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    kind = f"simulated: {made.record.family} head, {made.record.look} look"
    text = PreviewText("ok", made.record.true_volume_ml, None, (kind,), "truth")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "volume.nii.gz").write_bytes(encode_volume(made.volume))
    (options.out / "truth.nii.gz").write_bytes(encode_volume(made.truth))
    (options.out / "preview.png").write_bytes(draw_preview(made.volume, made.truth.data, text))
    (options.out / "record.json").write_text(made.record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    print(made.record.model_dump_json())


def _cohort(options: argparse.Namespace) -> None:
    given = {name: value for name in ("family", "look") if (value := getattr(options, name)) is not None}
    numbers = range(options.first, options.first + options.cases)
    planned = (request_for(options.kind, number, options.spacing) for number in numbers)
    requests = [replace(request, **given) for request in planned]
    simulate_scans(options.out, requests, make_nifti_cohort if options.nifti else make_cohort)
    tell(options, f"{len(requests)} scans in {options.out}", out=options.out, kind=options.kind, scans=len(requests))


def _verify_cohort(options: argparse.Namespace) -> None:
    from training.phantom.fixed import VERSION, compute_digests, read_digests

    stored = read_digests()
    total = sum(-(-len(scenes) // options.every) for scenes in stored.scenes.values())
    changed: list[str] = []
    for part, place, request, digest in with_progress(compute_digests(options.every), total, "scenes"):
        if stored.scenes[part][place] != digest:
            changed.append(f"{part} {request.seed}")
    if changed:
        raise CohortChangedError(
            f"{len(changed)} of {total} scans differ from version {VERSION} of the cohort, such as {changed[0]}; "
            "results are not comparable with earlier ones: raise VERSION in training/phantom/fixed.py"
        )
    tell(options, f"{total} scans as in version {VERSION} of the cohort", scans=total, version=VERSION)


def _realism(options: argparse.Namespace) -> None:
    from training.evaluation.probes import realism

    found: list[realism.ScanStatistics] = []
    for cohort in options.cohort:
        requests = [request_for(cohort, number, options.spacing) for number in range(options.cases)]
        found += with_progress(realism.measure_cohort(cohort, requests), len(requests), cohort)
    tell(options, realism.format_table(found), scans=[asdict(one) for one in found])
