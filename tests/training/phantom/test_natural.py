"""Natural heads, the look set for the brain, and the cohorts that have them."""

import numpy as np
import pytest

from training.evaluation.probes.realism import measure_base
from training.phantom import Phantom, simulate
from training.phantom.cohort import TYPICAL_TRAINING, request_for
from training.phantom.fixed import digest_image, digest_scene
from training.phantom.head import Head
from training.phantom.looks import LOOKS, TRAINING_LOOKS
from training.phantom.scene import TRAINING_FAMILIES
from training.phantom.shapes import Points
from training.phantom.simulate import find_scene
from training.phantom.subject import draw_subject
from training.phantom.tissues import Tissue

CASES = range(3)


def make_head(seed: int, family: str) -> Head:
    return Head(draw_subject(np.random.default_rng(seed), family, weeks=25))


@pytest.fixture(scope="module")
def scans() -> list[Phantom]:
    return [simulate(request_for("typical", number, 2.0)) for number in CASES]


def test_the_flat_base_is_about_a_tenth_of_the_surface() -> None:
    natural = np.mean([measure_base(make_head(seed, "natural")) for seed in range(6)], axis=0)
    usual = np.mean([measure_base(make_head(seed, "parametric")) for seed in range(6)], axis=0)
    assert 0.08 < natural[0] < 0.12
    assert usual[0] < 0.07
    assert natural[1] > 1.15 * usual[1]


def test_ears_stand_out_from_the_sides_of_the_head() -> None:
    head = make_head(0, "natural")
    a, b, c = head.radii
    at_ears = Points(*(np.array([v, v], np.float32) for v in (0, -0.10 * b, -0.44 * c)))
    beside = Points(np.array([-1.04 * a, 1.04 * a], np.float32), at_ears.y, at_ears.z)
    assert (head.skin(beside) < 0).all()
    assert (make_head(0, "parametric").skin(beside) > 0).all()


def test_the_head_below_the_plane_is_not_part_of_the_truth() -> None:
    head = make_head(1, "natural")
    p = Points(*(np.array([v], np.float32) for v in (0, 0.1 * head.radii[1], -1.6 * head.radii[2])))
    assert head.skin(p) < 0 < head.truth(p)


def test_the_whole_head_is_in_view(scans: list[Phantom]) -> None:
    assert all(scan.record.head_in_view > 0.99 for scan in scans)
    assert not any(scan.record.truncated for scan in scans)


def test_grey_values_inside_the_head_are_those_of_real_scans(scans: list[Phantom]) -> None:
    for scan in scans:
        low, middle, high = np.percentile(scan.volume.data[scan.truth.data > 0], (10, 50, 90))
        assert low <= 40
        assert 20 <= middle <= 72
        assert 80 <= high <= 135


def test_what_a_sonographer_looks_for_stands_out(scans: list[Phantom]) -> None:
    for scan in scans:
        inside = (scan.truth.data > 0) & (scan.volume.data > 0)
        grey = {t: np.mean(scan.volume.data[inside & (scan.tissues.data == t)]) for t in Tissue if t in SHOWN}
        assert grey[Tissue.CHOROID_PLEXUS] > grey[Tissue.BRAIN]
        assert grey[Tissue.FALX] > grey[Tissue.BRAIN]
        assert grey[Tissue.SKULL] > grey[Tissue.BRAIN]


SHOWN = (Tissue.CHOROID_PLEXUS, Tissue.FALX, Tissue.SKULL, Tissue.BRAIN)


def test_all_structures_are_there(scans: list[Phantom]) -> None:
    wanted = {Tissue.FALX, Tissue.VENTRICLE, Tissue.CHOROID_PLEXUS, Tissue.SULCUS, Tissue.ORBIT, Tissue.FACIAL_BONE}
    for scan in scans:
        assert wanted <= set(np.unique(scan.tissues.data))


def test_the_same_seed_gives_the_same_scan(scans: list[Phantom]) -> None:
    again = simulate(request_for("typical", 0, 2.0))
    assert np.array_equal(again.volume.data, scans[0].volume.data)
    assert again.record == scans[0].record


def test_half_of_the_natural_heads_in_training_have_the_look() -> None:
    scenes = [find_scene(request_for("train", TYPICAL_TRAINING.start + number, 5.0)) for number in range(4)]
    assert {scene.head.subject.family for scene in scenes} == {"natural"}
    assert [scene.look.name == "neuro" for scene in scenes] == [True, False, True, False]


@pytest.mark.parametrize("number", [0, 1, TYPICAL_TRAINING.start - 1, TYPICAL_TRAINING.stop])
def test_other_training_patients_are_as_they_were(number: int) -> None:
    scene = find_scene(request_for("train", number, 5.0))
    assert scene.head.subject.family in TRAINING_FAMILIES
    assert scene.look.name in TRAINING_LOOKS
    assert set(TRAINING_LOOKS) == set(LOOKS) - {"vintage", "neuro"}


@pytest.mark.parametrize(
    ("kind", "number", "scene", "image"),
    [
        ("typical", 0, "71efd0b89e61961b", "16a6120d53c59781"),
        ("typical", 7, "5f7d32b44f8e4455", "8df33f86d7442125"),
        ("train", TYPICAL_TRAINING.start + 1, "bf45e59b30898a72", "3ef4876e618386d9"),
    ],
)
def test_the_patients_are_those_on_whom_models_were_measured(kind: str, number: int, scene: str, image: str) -> None:
    request = request_for(kind, number, 8.0)
    assert (digest_scene(request), digest_image(request)) == (scene, image)
