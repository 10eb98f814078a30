import json
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.golden import Golden
from tests.helpers.makers import publish_threshold_model
from training.cli import main as cli
from training.evaluation.probes.orientation import (
    CLOSEST_MM,
    FARTHEST_MM,
    OrientationResult,
    compare_with_served,
    crop_to_head,
    format_table,
)
from training.phantom import SimulationRequest, simulate


def test_a_cropped_scan_keeps_the_head_and_little_around_it() -> None:
    phantom = simulate(SimulationRequest(3, 4.0))
    volume, truth = crop_to_head(phantom.volume, phantom.truth, np.random.default_rng(1))
    assert truth.data.sum() == phantom.truth.data.sum()
    assert volume.geometry.shape == truth.geometry.shape
    assert np.prod(truth.data.shape) < np.prod(phantom.truth.data.shape)
    for axis in range(3):
        used = np.flatnonzero(truth.data.any(axis=tuple(a for a in range(3) if a != axis)))
        around = (used[0], truth.data.shape[axis] - 1 - used[-1])
        assert all(4.0 * n <= FARTHEST_MM + 4.0 for n in around)
    where = np.argwhere(truth.data)[0]
    mm = truth.geometry.affine[:3, :3] @ where + truth.geometry.affine[:3, 3]
    back = np.linalg.solve(phantom.truth.geometry.affine, [*mm, 1])[:3].round().astype(int)
    assert phantom.truth.data[tuple(back)]
    assert volume.data[tuple(where)] == phantom.volume.data[tuple(back)]
    assert CLOSEST_MM < FARTHEST_MM


def test_differences_are_to_the_scan_as_served(golden: Golden) -> None:
    found = [OrientationResult(n, 0.9, 0.9 + 0.01 * n, 0.9, 0.88, n == 1) for n in (1, 2)]
    assert compare_with_served(found)["permuted"].mean == pytest.approx(0.015)
    assert compare_with_served(found)["cropped"].mean == pytest.approx(-0.02)
    golden(format_table(found), "orientation.md")


def test_the_command_measures_a_model_in_every_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish_threshold_model(tmp_path)
    arguments = ["orientation", "--store", str(tmp_path), "--cases", "2", "--spacing", "6", "--json"]
    assert cli.main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert [case["seed"] for case in told["cases"]] == [1_000_000, 1_000_001]
    assert set(told["differences"]) == {"permuted", "mirrored", "cropped"}
    assert all(0 <= case[way] <= 1 for case in told["cases"] for way in ("served", *told["differences"]))
