from dataclasses import replace

import numpy as np
import pytest

from training.phantom.cohort import COHORTS
from training.phantom.fixed import (
    PARTS,
    average_blocks,
    compute_digests,
    digest_image,
    digest_scene,
    list_fixed_cohort,
    read_digests,
)
from training.phantom.looks import TRAINING_LOOKS
from training.phantom.scene import TRAINING_FAMILIES


def test_the_cohort_has_the_promised_sizes() -> None:
    counts: dict[str, int] = {}
    for part, _ in list_fixed_cohort(2.0):
        counts[part] = counts.get(part, 0) + 1
    assert counts == {
        "train": 600, "context": 600, "validation": 50, "test": 200, "shifted": 100, "reproducibility": 156,
    }  # fmt: skip
    assert {part: len(scenes) for part, scenes in read_digests().scenes.items()} == counts


def test_no_scan_is_in_two_parts() -> None:
    seeds = [request.seed for _, request in list_fixed_cohort(2.0)]
    assert len(set(seeds)) == len(seeds)


def test_the_shifted_part_shares_neither_family_nor_look_with_training() -> None:
    shifted = COHORTS["shifted"]
    assert shifted.family not in TRAINING_FAMILIES
    assert shifted.look not in TRAINING_LOOKS


def test_the_patients_are_those_of_the_committed_version() -> None:
    stored = read_digests()
    checked = 0
    for part, place, _, digest in compute_digests(every=150):
        assert stored.scenes[part][place] == digest, f"{part} {place} changed: raise VERSION"
        checked += 1
    assert checked >= 2 * len(PARTS)


def test_the_images_are_those_of_the_committed_version() -> None:
    stored = read_digests().images
    by_seed = {request.seed: request for _, request in list_fixed_cohort(8.0)}
    for seed in list(stored)[::3]:
        assert digest_image(by_seed[seed]) == stored[seed], f"{seed} changed: raise VERSION"


def test_a_digest_depends_on_the_patient_and_not_on_the_spacing() -> None:
    _, request = next(list_fixed_cohort(2.0))
    digest = digest_scene(request)
    assert digest_scene(replace(request, spacing=1.3)) == digest
    assert digest_scene(replace(request, seed=request.seed + 1)) != digest


def test_block_means_cover_the_volume_evenly() -> None:
    values = np.zeros((10, 9, 8), np.uint8)
    values[:5] = 200
    means = average_blocks(values)
    assert means.shape == (4, 4, 4)
    assert means[0].mean() == pytest.approx(200)
    assert means[3].mean() == 0
