"""Cohorts of phantoms on disk: one `.npz` per seed, made once, reproducible from the seed alone.

A file holds `image`, `truth` and `tissues` (u8, one shape), `affine` (4, 4) and `record` (JSON). The seed determines
what a case may be used for; the ranges never overlap.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.files import write_atomically
from app.imaging.nifti.file import encode_volume
from app.imaging.volume import Volume, VolumeGeometry
from training.phantom.scene import SimulationRequest
from training.phantom.simulate import Phantom, PhantomRecord, simulate

COHORTS = {
    "train": SimulationRequest(0, fixed_field=False),
    "context": SimulationRequest(500_000, fixed_field=False),
    "validation": SimulationRequest(1_000_000),
    "test": SimulationRequest(2_000_000),
    "shifted": SimulationRequest(3_000_000, family="lofted", look="vintage"),
    "reproducibility": SimulationRequest(4_000_000),
    "held_out": SimulationRequest(5_000_000),
    "held_out_shifted": SimulationRequest(6_000_000, family="lofted", look="vintage"),
    "typical": SimulationRequest(7_000_000, family="natural", look="neuro", whole_head=True),
}
"""The first scan of each cohort, at native size.

`train` is for level 1, `context` for level 2 (subjects that level 1 never saw); `shifted` is unlike both. `typical` is
what a sonographer keeps: the whole head in view, the gain set for the brain.

`test` and `shifted` were looked at while presets, thresholds and limits were chosen. `held_out` and `held_out_shifted`
are drawn like them; nothing is ever chosen or adjusted on their patients.
"""

TYPICAL_TRAINING = range(240_000, 300_000)
"""The cases of `train` that have natural heads; every other one has the look of `typical`, the rest any of training."""


def request_for(kind: str, number: int, spacing: float) -> SimulationRequest:
    """Return the request of case `number` of the cohort `kind`; of `train`, those of one range have natural heads.

    Raises:
        KeyError: the cohort is unknown.
    """
    first = COHORTS[kind]
    request = replace(first, seed=first.seed + number, spacing=spacing)
    if kind != "train" or number not in TYPICAL_TRAINING:
        return request
    like = COHORTS["typical"]
    return replace(request, family=like.family, look=like.look if number % 2 == 0 else None)


def make_cohort(directory: Path, requests: Iterable[SimulationRequest]) -> Iterator[Path]:
    """Write every missing phantom, by temporary name and rename; yield the files in order."""
    directory.mkdir(parents=True, exist_ok=True)
    for request in requests:
        path = phantom_file(directory, request.seed)
        if not path.exists():
            save_phantom(path, simulate(request))
        yield path


def make_nifti_cohort(directory: Path, requests: Iterable[SimulationRequest]) -> Iterator[Path]:
    """Write `images/SEED.nii.gz` and `labels/SEED.nii.gz`, the layout of own data; yield the images.

    Each label is written before its image, so that every image has its label.
    """
    images, labels = directory / "images", directory / "labels"
    for folder in (images, labels):
        folder.mkdir(parents=True, exist_ok=True)
    for request in requests:
        name = f"{request.seed:08d}.nii.gz"
        if not (images / name).exists():
            made = simulate(request)
            for path, volume in ((labels / name, made.truth), (images / name, made.volume)):
                write_atomically(path, encode_volume(volume))
        yield images / name


def load_or_simulate(request: SimulationRequest, folder: Path | None) -> Phantom:
    """Simulate the phantom of a request, or read it from the folder, where it is kept if one is given."""
    if folder is None:
        return simulate(request)
    (path,) = make_cohort(folder, (request,))
    return load_phantom(path)


def phantom_file(directory: Path, seed: int) -> Path:
    """Return the path of a seed's phantom in a cohort's folder."""
    return directory / f"{seed:08d}.npz"


def save_phantom(path: Path, phantom: Phantom) -> None:
    """Write one phantom; the file appears complete or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        image=phantom.volume.data,
        truth=phantom.truth.data,
        tissues=phantom.tissues.data,
        affine=phantom.volume.geometry.affine,
        record=np.array(phantom.record.model_dump_json()),
    )
    write_atomically(path, buffer.getvalue())


def load_phantom(path: Path) -> Phantom:
    """Read a phantom that `save_phantom` wrote, without unpickling."""
    with np.load(path, allow_pickle=False) as archive:
        image, truth, tissues = (archive[name] for name in ("image", "truth", "tissues"))
        geometry = VolumeGeometry(image.shape, archive["affine"])
        record = PhantomRecord.model_validate_json(str(archive["record"]))
    return Phantom(Volume(image, geometry), Volume(truth, geometry), Volume(tissues, geometry), record)
