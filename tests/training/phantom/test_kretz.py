"""A simulated patient as the scanner's own file: the beams before scan conversion, in Kretz's layout."""

import numpy as np
import pytest
from numpy.typing import NDArray

from app.imaging.formats.checks import DecodeLimits
from app.imaging.formats.kretz import decode_kretz
from app.imaging.postprocess import head_volume_ml
from tests.helpers.kretz import Fan, kretz_items, pack_items
from training.phantom.cohort import request_for
from training.phantom.probe import CartesianGrid, PolarGrid, Probe, make_polar_grid, scan_convert
from training.phantom.scene import draw_scene
from training.phantom.simulate import simulate

SPACING_MM = 2.0


def beams_as_kretz(samples: NDArray[np.uint8], grid: PolarGrid, probe: Probe) -> bytes:
    """Return the samples (R, T, P), u8, in a Kretz file that tells how the probe sent its beams."""
    fan = Fan(
        shape=grid.shape,
        first_radius=float(grid.r[0]),
        radial_step=grid.steps[0],
        sweep_offset=probe.sweep_offset,
        theta_deg=float(np.degrees(grid.theta[-1])),
        phi_deg=float(np.degrees(grid.phi[-1])),
    )
    return pack_items(kretz_items(samples, fan))


@pytest.mark.parametrize("number", [3, 21])
def test_a_patients_head_has_the_same_size_in_its_beams_and_in_its_volume(number: int) -> None:
    request = request_for("test", number, SPACING_MM)
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence([request.seed, 7]).spawn(2)]
    scene = draw_scene(request, *streams)
    grid = make_polar_grid(scene.probe, scene.box, arc=1.5, axial=1.0)
    local = scene.pose.to_head(grid.points(scene.probe.sweep_offset))
    near = np.flatnonzero(scene.head.surrounds(local, 0.0))
    samples = np.full(grid.shape, 50, np.uint8)
    samples.reshape(-1)[near[scene.head.truth(local.at(near)) < 0]] = 200
    file = decode_kretz(beams_as_kretz(samples, grid, scene.probe), DecodeLimits())
    truth = simulate(request).truth
    expected = head_volume_ml(truth.data != 0, truth.geometry)
    assert head_volume_ml(file.volume.data > 125, file.volume.geometry) == pytest.approx(expected, rel=0.01)


def test_the_beams_give_the_voxels_that_the_simulators_own_conversion_gives() -> None:
    scene = draw_scene(request_for("test", 8, SPACING_MM), np.random.default_rng(1), np.random.default_rng(2))
    grid = make_polar_grid(scene.probe, scene.box, arc=2.0, axial=1.0)
    echoes = np.random.default_rng(3).uniform(0.1, 1, grid.shape).astype(np.float32)
    samples = np.rint(echoes * 255).astype(np.uint8)
    volume = decode_kretz(beams_as_kretz(samples, grid, scene.probe), DecodeLimits()).volume
    first = volume.geometry.affine[:3, 3]
    box = CartesianGrid(volume.geometry.shape, volume.geometry.affine[0, 0], tuple(first))
    expected = scan_convert((samples / 255).astype(np.float32), grid, scene.probe, box)
    both = (volume.data > 0) & (expected > 0)
    assert both.mean() > 0.2
    assert (both != ((volume.data > 0) | (expected > 0))).mean() < 1e-3
    assert np.abs(volume.data[both].astype(int) - expected[both]).max() <= 2
