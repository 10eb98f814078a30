"""The fixed cohort, whose scans every comparison uses, and digests that show whether they are still the same.

Seeds are stored, voxels are not. A digest is taken of the drawn parameters (rounded, so that the order of additions on
another machine does not matter) and of the scan at a coarse spacing, averaged over blocks. A change of the simulator
that changes the patients changes the digests: raise `VERSION` then, since results of two versions are not comparable.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib import resources
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.contract.value import Value
from app.files import digest
from training.phantom.cohort import request_for
from training.phantom.scene import Scene, SimulationRequest, draw_scene
from training.phantom.simulate import simulate
from training.phantom.views import scan_directions

VERSION = 1
DIGEST_SPACING = 8.0
BLOCKS = 4
GREY_STEP = 16
SIGNIFICANT = 4


PARTS = {
    "train": ("train", range(100_000, 100_600)),
    "context": ("train", range(100_600, 101_200)),
    "validation": ("validation", range(50)),
    "test": ("test", range(200)),
    "shifted": ("shifted", range(100)),
}
"""The parts of the fixed cohort: kind and numbers of their subjects; `context` are those of the second level."""
REPRODUCIBILITY = 52
"""The number of subjects that are scanned along three directions each."""


def list_fixed_cohort(spacing: float) -> Iterator[tuple[str, SimulationRequest]]:
    """Yield part and scan, in order."""
    for part, (kind, numbers) in PARTS.items():
        for number in numbers:
            yield part, request_for(kind, number, spacing)
    for request in scan_directions(REPRODUCIBILITY, spacing):
        yield "reproducibility", request


def digest_scene(request: SimulationRequest) -> str:
    """Return a digest of what is drawn for a scan: fetus, pose, probe and look, each number to 4 digits."""
    coarse = replace(request, spacing=DIGEST_SPACING)
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence([request.seed, 7]).spawn(4)]
    scene = draw_scene(coarse, streams[0], streams[1])
    return _digest(json.dumps(_round(_collect_drawn(scene)), sort_keys=True).encode())


def digest_image(request: SimulationRequest) -> str:
    """Return a digest of the scan and its truth at a coarse spacing: block means in steps of 16 grey values."""
    made = simulate(replace(request, spacing=DIGEST_SPACING))
    grey = np.rint(average_blocks(made.volume.data) / GREY_STEP).astype(np.int16)
    head = np.rint(average_blocks(made.truth.data) * GREY_STEP).astype(np.int16)
    return _digest(grey.tobytes() + head.tobytes())


class Digests(Value):
    """The committed digests: of every scene by part, in order, and of some images by seed."""

    version: int
    scenes: dict[str, tuple[str, ...]]
    images: dict[int, str]


def read_digests() -> Digests:
    """Read the committed digests of this version."""
    file = resources.files("training.phantom").joinpath("digests", f"v{VERSION}.json")
    return Digests.model_validate_json(file.read_text(encoding="utf-8"))


def compute_digests(every: int = 1) -> Iterator[tuple[str, int, SimulationRequest, str]]:
    """Yield part, place in it, scan and scene digest of every so many scans."""
    for part, scans in groupby(list_fixed_cohort(DIGEST_SPACING), key=itemgetter(0)):
        for place, (_, request) in enumerate(scans):
            if place % every == 0:
                yield part, place, request, digest_scene(request)


def average_blocks(values: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Average over 4 x 4 x 4 blocks that divide the volume as evenly as its size allows."""
    means = values.astype(np.float64)
    for axis in range(3):
        parts = np.array_split(means, BLOCKS, axis=axis)
        means = np.stack([part.mean(axis=axis) for part in parts], axis=axis)
    return means


def _collect_drawn(scene: Scene) -> dict[str, Any]:
    subject = {name: value for name, value in asdict(scene.head.subject).items() if name != "warp"}
    return {
        "subject": subject,
        "rotation": scene.pose.rotation.tolist(),
        "centre": scene.pose.centre.tolist(),
        "probe": asdict(scene.probe),
        "look": asdict(scene.look),
        "box": list(scene.box.shape),
    }


def _round(value: Any) -> Any:
    """Round every number to 4 significant digits, and tiny ones to 0 whatever their sign."""
    if isinstance(value, dict):
        return {key: _round(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_round(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return 0.0 if abs(value) < 10**-SIGNIFICANT else float(f"{value:.{SIGNIFICANT - 1}e}")
    return value


def _digest(content: bytes) -> str:
    return digest(content)[:16]
