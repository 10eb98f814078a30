from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.imaging.errors import NotMeasurable
from app.imaging.scan_conversion import Beams, convert, enclose
from tests.helpers.kretz import Fan

MOST = 5_000_000


def beams(fan: Fan, echoes: NDArray[np.uint8] | None = None, **changes: Any) -> Beams:
    values = np.full(fan.shape, 100, np.uint8) if echoes is None else echoes
    given: dict[str, Any] = {
        "echoes": values,
        "first_radius": fan.first_radius,
        "radial_step": fan.radial_step,
        "sweep_offset": fan.sweep_offset,
        "theta": fan.theta,
        "phi": fan.phi,
    }
    return Beams(**(given | changes))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("fan", [Fan(), Fan(sweep_offset=-8.0), Fan(sweep_offset=30.0, theta_deg=20.0)], ids=str)
def test_each_sample_comes_to_lie_where_it_was_recorded(fan: Fan, axis: int) -> None:
    position = fan.points()[axis]
    low, high = position.min(), position.max()
    recorded = beams(fan, np.rint(10 + 200 * (position - low) / (high - low)).astype(np.uint8))
    volume = convert(recorded, enclose(recorded, MOST))
    geometry = volume.geometry
    index = np.indices(geometry.shape, sparse=True)[axis]
    places = np.broadcast_to(geometry.affine[axis, 3] + geometry.affine[axis, axis] * index, geometry.shape)
    inside = volume.data > 0
    read = low + (volume.data[inside].astype(float) - 10) * (high - low) / 200
    assert np.abs(read - places[inside]).max() < 1.5 * (high - low) / 200


def test_the_grid_encloses_every_sample_and_no_more() -> None:
    fan = Fan()
    geometry = enclose(beams(fan), MOST)
    ends = geometry.affine[:3, 3] + np.array(geometry.spacing_mm) * (np.array(geometry.shape) - 1)
    for axis, position in enumerate(fan.points()):
        assert geometry.affine[axis, 3] == pytest.approx(position.min(), abs=1e-9)
        assert position.max() - geometry.spacing_mm[axis] <= ends[axis] <= position.max() + 1e-9


def test_the_grid_is_as_fine_as_the_samples_within_limits() -> None:
    assert enclose(beams(Fan()), MOST).spacing_mm == (2.0, 2.0, 2.0)
    fine = enclose(beams(Fan(shape=(600, 40, 40), radial_step=0.2)), 10**9)
    assert fine.spacing_mm == (0.5, 0.5, 0.5)
    coarse = enclose(beams(Fan()), 20_000)
    assert coarse.spacing_mm[0] > 2
    assert np.prod(coarse.shape) < 1.3 * 20_000


def test_black_echoes_differ_from_what_lies_outside_the_fan() -> None:
    black = beams(Fan(), np.zeros(Fan().shape, np.uint8))
    data = convert(black, enclose(black, MOST)).data
    assert set(np.unique(data)) == {0, 1}
    assert not data[0, 0, 0]
    assert data[data.shape[0] // 2, data.shape[1] // 2, data.shape[2] // 2] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"theta": Fan().theta[::-1]},
        {"phi": np.zeros(40)},
        {"phi": np.full(40, np.nan)},
        {"theta": np.linspace(-1.6, 1.6, 44)},
        {"radial_step": 0.0},
        {"radial_step": -1.0},
        {"radial_step": float("inf")},
        {"radial_step": 1e300},
        {"first_radius": float("nan")},
        {"first_radius": -5.0},
        {"sweep_offset": 60.0},
        {"sweep_offset": float("-inf")},
    ],
    ids=str,
)
def test_beams_that_no_probe_sends_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(NotMeasurable) as caught:
        beams(Fan(), **changes)
    assert caught.value.code == "impossible_beams"
