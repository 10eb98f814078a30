import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.imaging import growth
from tests.training.phantom.makers import ellipsoid_head
from training.phantom import Phantom, SimulationRequest, simulate
from training.phantom.cohort import COHORTS, load_phantom, make_cohort, request_for, save_phantom
from training.phantom.head import Head
from training.phantom.scene import NATIVE_SHAPE, draw_scene
from training.phantom.simulate import truth_distance, whole_volume_ml
from training.phantom.subject import FAMILIES, draw_subject
from training.phantom.tissues import Tissue

COARSE = 2.5


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return simulate(SimulationRequest(seed=11, spacing=1.5, family="parametric", look="fundamental"))


class TestTruth:
    def test_an_ellipsoid_has_its_analytic_volume(self) -> None:
        head = ellipsoid_head(36.0, 46.0, 35.0)
        expected = 4 / 3 * np.pi * 36 * 46 * 35 / 1000
        assert whole_volume_ml(head, 1.0) == pytest.approx(expected, rel=0.003)

    def test_the_stored_mask_of_an_ellipsoid_has_its_analytic_volume(self) -> None:
        rng = np.random.default_rng(4)
        scene = draw_scene(SimulationRequest(seed=4, spacing=0.95), rng, rng)
        scene = type(scene)(**{**scene.__dict__, "head": ellipsoid_head(36.0, 46.0, 35.0)})
        mask = truth_distance(scene) < 0
        assert mask.sum() * 0.95**3 / 1000 == pytest.approx(4 / 3 * np.pi * 36 * 46 * 35 / 1000, rel=0.003)

    def test_the_mask_agrees_with_the_recorded_volume(self, phantom: Phantom) -> None:
        assert not phantom.record.truncated
        stored = phantom.truth.data.sum() * phantom.truth.geometry.voxel_volume_mm3 / 1000
        assert stored == pytest.approx(phantom.record.true_volume_ml, rel=0.01)

    @pytest.mark.parametrize("family", FAMILIES)
    def test_heads_have_the_volume_their_age_suggests(self, family: str) -> None:
        ratios = []
        for seed in range(16):
            subject = draw_subject(np.random.default_rng(seed), family, weeks=25)
            circumference = np.pi * (subject.half_width + subject.half_length)
            sphere = circumference**3 / (6 * np.pi**2) / 1000
            ratios.append(whole_volume_ml(Head(subject), 3.0) / sphere)
        assert np.mean(ratios) == pytest.approx(growth.WHOLE_HEAD_FACTOR, abs=0.08)


class TestPicture:
    def test_the_same_seed_gives_the_same_voxels(self, phantom: Phantom) -> None:
        again = simulate(SimulationRequest(seed=11, spacing=1.5, family="parametric", look="fundamental"))
        assert np.array_equal(again.volume.data, phantom.volume.data)
        assert np.array_equal(again.truth.data, phantom.truth.data)
        assert again.record == phantom.record

    def test_another_seed_gives_another_patient(self, phantom: Phantom) -> None:
        other = simulate(SimulationRequest(seed=12, spacing=1.5, family="parametric", look="fundamental"))
        assert not np.array_equal(other.volume.data, phantom.volume.data)

    def test_zero_is_outside_the_fan_and_only_there(self, phantom: Phantom) -> None:
        request = SimulationRequest(seed=11, spacing=1.5, family="parametric", look="fundamental")
        streams = [np.random.default_rng(s) for s in np.random.SeedSequence([11, 7]).spawn(4)]
        scene = draw_scene(request, streams[0], streams[1])
        x, y, z = np.meshgrid(*(scene.box.axis(n) for n in range(3)), indexing="ij")
        r, theta, phi = scene.probe.to_polar(x, y, z)
        start, depth = scene.probe.array_radius, scene.probe.depth
        inside = (r > start + 1) & (r < start + depth - 1)
        inside &= np.abs(theta) < np.deg2rad(scene.probe.lateral_deg / 2) - 0.02
        inside &= np.abs(phi) < np.deg2rad(scene.probe.sweep_deg / 2) - 0.02
        outside = (r < start - 1) | (r > start + depth + 1)
        assert phantom.volume.data[inside].min() >= 1
        assert phantom.volume.data[outside].max() == 0

    def test_the_skull_is_brighter_than_the_fluid(self, phantom: Phantom) -> None:
        tissues, image = phantom.tissues.data, phantom.volume.data
        fluid = image[(tissues == Tissue.FLUID) & (image > 0)]
        assert np.median(image[tissues == Tissue.SKULL]) > 1.25 * np.median(fluid)

    @pytest.mark.parametrize("family", FAMILIES)
    @pytest.mark.parametrize("look", ["compound", "grainy", "contrast", "vintage"])
    def test_every_family_can_be_seen_in_every_look(self, family: str, look: str) -> None:
        phantom = simulate(SimulationRequest(seed=3, spacing=COARSE, family=family, look=look, fixed_field=False))
        head = phantom.truth.data > 0
        assert phantom.volume.data.dtype == np.uint8
        assert 40 < head.sum() * COARSE**3 / 1000 < 650
        assert phantom.volume.data[head].std() > 2


class TestScenes:
    @pytest.mark.slow
    def test_some_heads_touch_the_uterus_and_a_few_are_cut(self) -> None:
        records = [simulate(SimulationRequest(seed=s, spacing=4.0, look="fundamental")).record for s in range(40)]
        touching = np.mean([record.touches for record in records])
        cut = np.mean([record.truncated for record in records])
        assert touching >= 0.4
        assert 0.02 <= cut <= 0.2

    def test_the_paper_s_field_of_view_is_the_native_one(self) -> None:
        rng = np.random.default_rng(0)
        assert draw_scene(SimulationRequest(seed=0), rng, rng).box.shape == NATIVE_SHAPE

    def test_one_subject_scanned_twice_keeps_its_head(self) -> None:
        first, second = (simulate(SimulationRequest(seed=s, spacing=4.0, subject_seed=9)).record for s in (100, 101))
        assert first.true_volume_ml == second.true_volume_ml
        assert first.look != second.look or first.head_in_view != second.head_in_view

    def test_unknown_families_and_looks_are_refused(self) -> None:
        with pytest.raises(ValueError, match="unknown head family"):
            simulate(SimulationRequest(seed=0, spacing=4.0, family="cubist"))
        with pytest.raises(ValueError, match="unknown look"):
            simulate(SimulationRequest(seed=0, spacing=4.0, look="cubist"))


class TestCohort:
    def test_shifted_cases_share_neither_family_nor_look_with_training(self) -> None:
        shifted = COHORTS["shifted"]
        for seed in range(8):
            record = simulate(request_for("train", seed, 5.0)).record
            assert record.family != shifted.family
            assert record.look != shifted.look

    def test_held_out_patients_are_drawn_like_those_of_test_and_shifted(self) -> None:
        for name, like in (("held_out", "test"), ("held_out_shifted", "shifted")):
            assert replace(COHORTS[name], seed=0) == replace(COHORTS[like], seed=0)
        assert (COHORTS["held_out"].seed, COHORTS["held_out_shifted"].seed) == (5_000_000, 6_000_000)

    def test_seed_ranges_do_not_meet(self) -> None:
        starts = sorted(kind.seed for kind in COHORTS.values())
        assert all(b - a >= 500_000 for a, b in itertools.pairwise(starts))

    def test_a_stored_phantom_comes_back_whole(self, phantom: Phantom, tmp_path: Path) -> None:
        path = tmp_path / "00000011.npz"
        save_phantom(path, phantom)
        loaded = load_phantom(path)
        assert loaded.record == phantom.record
        assert np.array_equal(loaded.tissues.data, phantom.tissues.data)

    def test_files_that_exist_are_not_made_again(self, tmp_path: Path) -> None:
        requests = [request_for("train", n, 6.0) for n in range(2)]
        first = [p.stat().st_mtime_ns for p in make_cohort(tmp_path, requests)]
        second = [p.stat().st_mtime_ns for p in make_cohort(tmp_path, requests)]
        assert first == second
