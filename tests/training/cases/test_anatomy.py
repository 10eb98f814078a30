"""Places in the head and kinds of tissue, from a simulated patient to what a level learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from app.imaging.arrays import Bool, Float64
from app.imaging.pose import UNIT_MM
from app.imaging.preprocess import PreprocessingSpec
from training.cases.anatomy import CLASSES, Anatomy
from training.cases.augment import Augmentation, Pose, augment
from training.cases.sources import Case, GridCase, prepare
from training.config.training import LossConfig, TrainingConfig
from training.fitting.losses import anatomy_loss
from training.fitting.state import begin_with, new_level
from training.phantom import Phantom, SimulationRequest, simulate
from training.phantom.tissues import Tissue
from training.phantom.views import draw_rotation

SPEC = PreprocessingSpec(spacing_mm=4.0, shape_divisor=16)
SHAPE = (32, 32, 32)
CRANIAL, SKULL, FACE, NECK = 1, 2, 3, 4
STILL = Pose(np.eye(3), 1.0, np.zeros(3))


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return simulate(SimulationRequest(seed=11, spacing=3.0, family="parametric", look="fundamental"))


@pytest.fixture(scope="module")
def case(phantom: Phantom) -> GridCase:
    return prepare(Case(11, phantom.volume, phantom.truth, phantom.tissues, phantom.record.frame), SPEC)


def learned(case: GridCase, pose: Pose) -> Anatomy:
    anatomy = augment(case, Augmentation(pose, (), None, None, 0), SHAPE, SPEC).anatomy
    assert anatomy is not None
    return anatomy


def middle(anatomy: Anatomy, kind: int) -> torch.Tensor:
    """The mean place of a kind of tissue, mm."""
    places = anatomy.place[0, :, anatomy.classes[0] == kind]
    return places.mean(dim=1) * UNIT_MM


def test_the_frame_of_a_phantom_fits_its_anatomy(phantom: Phantom) -> None:
    frame = phantom.record.frame
    assert frame is not None
    affine = phantom.volume.geometry.affine

    def places(inside: Bool) -> Float64:
        world = np.argwhere(inside) @ affine[:3, :3].T + affine[:3, 3]
        return world @ frame.to_head[:3, :3].T + frame.to_head[:3, 3]

    head = places(phantom.truth.data > 0)
    assert np.abs(head[:, 0].mean()) < 1
    assert (head @ np.array(frame.base[:3]) + frame.base[3]).max() < 3.0  # one voxel
    assert places(phantom.tissues.data == Tissue.CEREBELLUM)[:, 1].mean() < -10
    assert places(phantom.tissues.data == Tissue.FACE)[:, 1].mean() > 15
    assert places(phantom.tissues.data == Tissue.NECK)[:, 2].mean() < -30


def test_a_level_learns_where_each_kind_of_tissue_lies(case: GridCase) -> None:
    anatomy = learned(case, STILL)
    assert anatomy.classes.shape == (1, 16, 16, 16)
    assert anatomy.place.shape == (1, 3, 16, 16, 16)
    assert middle(anatomy, FACE)[0] > 15
    assert middle(anatomy, NECK)[1] < -30
    assert middle(anatomy, CRANIAL)[:2].norm() < 8
    assert middle(anatomy, CRANIAL)[2] < -20  # far above the base


def test_places_turn_and_grow_with_the_sample(case: GridCase) -> None:
    still = learned(case, STILL)
    larger = Pose(draw_rotation(np.random.default_rng(3), 40.0) / 1.2, 1.0, np.zeros(3))
    turned = learned(case, larger)
    for kind in (CRANIAL, FACE):
        assert torch.allclose(middle(turned, kind), 1.2 * middle(still, kind), atol=2.5)
    step = torch.stack(torch.gradient(turned.place[0, 0] * UNIT_MM)).norm(dim=0)  # to the front
    assert float(step.mean()) == pytest.approx(8.0, rel=1e-3)  # two voxels of 4 mm, whatever the size of the head


def test_a_mirrored_array_has_the_same_places(phantom: Phantom, case: GridCase) -> None:
    image, truth, tissues = (
        part.reorient((0, 1, 2), (True, False, False)) for part in (phantom.volume, phantom.truth, phantom.tissues)
    )
    mirrored = prepare(Case(11, image, truth, tissues, phantom.record.frame), SPEC)
    for kind in (FACE, NECK):
        found, expected = (middle(learned(seen, STILL), kind) for seen in (mirrored, case))
        assert torch.allclose(found, expected, atol=2)


def test_a_mirrored_sample_has_the_same_places(case: GridCase) -> None:
    mirror = Pose(np.diag([-1.0, 1.0, 1.0]), 1.0, np.zeros(3))
    for kind in (FACE, NECK):
        assert torch.allclose(middle(learned(case, mirror), kind), middle(learned(case, STILL), kind), atol=2.5)


def test_a_case_without_a_frame_teaches_no_anatomy(case: GridCase) -> None:
    assert augment(replace(case, to_place=None), Augmentation(STILL, (), None, None, 0), SHAPE, SPEC).anatomy is None


def test_every_tissue_has_one_class() -> None:
    listed = [tissue for kinds in CLASSES for tissue in kinds]
    assert len(set(listed)) == len(listed)


class TestLoss:
    def test_it_is_nothing_where_everything_is_right(self, case: GridCase) -> None:
        anatomy, truth = learned(case, STILL), torch.ones(1, 1, *SHAPE)
        right = torch.nn.functional.one_hot(anatomy.classes, len(CLASSES)).movedim(-1, 1) * 40.0
        found = torch.cat((right, anatomy.place), dim=1)
        assert float(anatomy_loss(found, anatomy, truth, LossConfig())) == pytest.approx(0, abs=1e-5)

    def test_places_count_inside_the_head_alone(self, case: GridCase) -> None:
        anatomy, truth = learned(case, STILL), torch.zeros(1, 1, *SHAPE)
        truth[..., :16] = 1
        logits = torch.zeros(1, len(CLASSES), 16, 16, 16)
        config = LossConfig(tissue_weight=0.0, place_weight=2.0)
        outside, inside = anatomy.place.clone(), anatomy.place.clone()
        outside[..., 8:] += 1.0
        inside[..., :8] += 1.0
        assert float(anatomy_loss(torch.cat((logits, outside), 1), anatomy, truth, config)) == pytest.approx(
            0, abs=1e-6
        )
        missed = 2.0 * (1.0 - 0.05)  # beyond 0.1 the error itself, less half of that
        assert float(anatomy_loss(torch.cat((logits, inside), 1), anatomy, truth, config)) == pytest.approx(missed)


class TestLevels:
    def anatomical(self, smoke: TrainingConfig, learns: bool = True) -> TrainingConfig:
        network = {"architecture": "residual", "residual_channels": (4, 4, 4, 4)}
        second = smoke.level[1].model_dump() | {
            "anatomy": learns,
            "stage": [{"spacing_mm": 6.0, "shape": (32, 32, 32)}],
        }
        first = second | {"anatomy": False}
        served = smoke.preprocessing.model_copy(update={"shape_divisor": 16})
        changes = {"network": network, "level": (first, second), "preprocessing": served}
        return TrainingConfig.model_validate(smoke.model_dump() | changes)

    def test_a_level_tells_places_behind_its_probability(self, smoke: TrainingConfig) -> None:
        config = self.anatomical(smoke)
        volume = torch.randn(1, 1, *SHAPE)
        first, second = (new_level(config, number).eval() for number in (1, 2))
        assert first.served(volume).shape == (1, 1, *SHAPE)
        told = second.served(volume, torch.zeros_like(volume))
        assert told.shape == (1, 4, *SHAPE)
        assert torch.equal(told[:, :1], second.probability(volume, torch.zeros_like(volume)))
        assert torch.equal(told[:, 1:, ::2, ::2, ::2], told[:, 1:, 1::2, 1::2, 1::2])

    def test_it_may_begin_with_what_another_learned_with_or_without_anatomy(self, smoke: TrainingConfig) -> None:
        plain, anatomical = (new_level(self.anatomical(smoke, learns), 2) for learns in (False, True))
        for level, learned_before in ((anatomical, plain), (plain, anatomical)):
            begin_with(level, learned_before.state_dict())
            theirs = learned_before.state_dict()
            assert all(torch.equal(value, theirs[name]) for name, value in level.state_dict().items() if name in theirs)

    def test_other_weights_are_still_refused(self, smoke: TrainingConfig) -> None:
        level = new_level(self.anatomical(smoke), 2)
        state = level.state_dict()
        state.pop("network.head_main.weight")
        with pytest.raises(RuntimeError, match=r"head_main\.weight"):
            begin_with(level, state)

    def test_only_the_residual_network_can_learn_it(self, smoke: TrainingConfig) -> None:
        level = smoke.level[1].model_dump() | {"anatomy": True}
        with pytest.raises(ValueError, match="only the residual network"):
            TrainingConfig.model_validate(smoke.model_dump() | {"level": (smoke.level[0], level)})
