import numpy as np
import pytest

from training.phantom.scene import draw_scene
from training.phantom.views import DIRECTIONS, WOBBLE_DEG, draw_rotation_to_probe, scan_directions

LEFT, FRONT, VERTEX = np.eye(3)


@pytest.mark.parametrize(("direction", "near"), [("lateral", LEFT), ("anterior", FRONT), ("vertex", VERTEX)])
def test_each_direction_points_one_side_of_the_head_at_the_probe(direction: str, near: np.ndarray) -> None:
    for seed in range(5):
        turn = draw_rotation_to_probe(direction, np.random.default_rng(seed))
        assert np.allclose(turn @ turn.T, np.eye(3))
        assert np.linalg.det(turn) == pytest.approx(1)
        toward_probe = -(near @ turn)[2]
        assert toward_probe >= np.cos(np.deg2rad(WOBBLE_DEG))


def test_scans_of_a_group_share_the_fetus_and_nothing_else() -> None:
    scans = list(scan_directions(2, 4.0))
    assert len(scans) == 2 * len(DIRECTIONS)
    assert [scan.subject_seed for scan in scans] == [4_000_000] * 3 + [4_000_001] * 3
    streams = [[np.random.default_rng([scan.seed, n]) for n in range(2)] for scan in scans[:3]]
    scenes = [draw_scene(scan, *rngs) for scan, rngs in zip(scans[:3], streams, strict=True)]
    assert len({scene.head.subject.half_length for scene in scenes}) == 1
    assert len({scene.probe.depth for scene in scenes}) == 3
