import numpy as np
import pytest
from numpy.typing import NDArray

from tests.training.phantom.makers import plain_look, straight_grid, straight_probe, width_at_half_maximum
from training.phantom.acoustics import Echoes, beam_widths, form_coherent_envelope, form_image, march
from training.phantom.looks import LOOKS, draw_look
from training.phantom.tissues import Tissue, TissueProperties, draw_properties


def _uniform(shape: tuple[int, int, int]) -> Echoes:
    one = np.ones(shape, np.float32)
    return Echoes(one, np.zeros(shape, np.float32), one)


def _properties() -> TissueProperties:
    rng = np.random.default_rng(1)
    return draw_properties(rng, spread=0.0)


def _envelope(step: float, size: tuple[int, int, int], **look: object) -> NDArray[np.float32]:
    probe = straight_probe()
    grid = straight_grid(probe, size, step)
    return form_coherent_envelope(_uniform(size), grid, probe, plain_look(**look), np.random.default_rng(3))


def test_fully_developed_speckle_has_the_rayleigh_signal_to_noise_ratio() -> None:
    envelope = _envelope(0.25, (200, 96, 96))[10:-10, 10:-10, 10:-10]
    assert envelope.mean() / envelope.std() == pytest.approx(1.91, abs=0.05)


def test_clustered_scatterers_are_noisier_than_rayleigh() -> None:
    envelope = _envelope(0.25, (160, 64, 64), speckle="k", shape=0.5)[10:-10, 10:-10, 10:-10]
    assert envelope.mean() / envelope.std() < 1.8


def test_speckle_keeps_the_power_of_its_scatterers() -> None:
    envelope = _envelope(0.25, (160, 64, 64))[10:-10, 10:-10, 10:-10]
    assert float((envelope**2).mean()) == pytest.approx(1.0, rel=0.15)


@pytest.mark.parametrize("depth", [25.0, 50.0])
def test_speckle_is_as_wide_as_the_beam(depth: float) -> None:
    step, probe = 0.3, straight_probe()
    shape = (200, 160, 24)
    grid = straight_grid(probe, shape, step)
    envelope = form_coherent_envelope(_uniform(shape), grid, probe, plain_look(), np.random.default_rng(5))
    row = int(depth / step)
    intensity = (envelope[row - 8 : row + 8] ** 2).astype(np.float64)
    intensity -= intensity.mean()
    lags = [float((intensity[:, : 160 - n] * intensity[:, n:]).mean() / (intensity**2).mean()) for n in range(30)]
    # the intensity's autocorrelation is the squared correlation of a Gaussian field: as wide as the beam itself
    lateral, _ = beam_widths(probe, depth)
    assert width_at_half_maximum(np.array(lags), step) == pytest.approx(lateral, rel=0.2)


def test_sound_weakens_by_twice_the_attenuation_times_depth_and_frequency() -> None:
    probe = straight_probe()
    grid = straight_grid(probe, (240, 12, 12), 0.25)
    tissue = _properties()
    labels = np.full(grid.shape, Tissue.PLACENTA, np.uint8)
    echoes = march(labels, grid, probe, plain_look(), tissue)
    decibels = 20 * np.log10(echoes.transmission[:, 6, 6])
    slope = np.polyfit(np.arange(240) * 0.025, decibels, 1)[0]  # dB per cm
    assert slope == pytest.approx(-2 * tissue.attenuation[Tissue.PLACENTA] * probe.frequency_mhz, rel=0.01)


def test_bone_casts_a_shadow_and_answers_brightly() -> None:
    probe = straight_probe()
    grid = straight_grid(probe, (240, 24, 24), 0.25)
    labels = np.full(grid.shape, Tissue.BRAIN, np.uint8)
    labels[80:88, :12] = Tissue.SKULL
    echoes = march(labels, grid, probe, plain_look(), _properties())
    behind, beside = echoes.backscatter[140, 4, 12], echoes.backscatter[140, 20, 12]
    assert behind < 0.5 * beside
    assert echoes.specular[80, 4, 12] > 5 * echoes.backscatter[60, 4, 12]


def test_skull_beyond_the_critical_angle_lets_less_through() -> None:
    probe = straight_probe()
    grid = straight_grid(probe, (240, 60, 12), 0.25)
    depth, across = np.meshgrid(np.arange(240), np.arange(60), indexing="ij")

    def behind(slope: float) -> float:
        labels = np.full(grid.shape, Tissue.BRAIN, np.uint8)
        front = 80 + slope * (across - 30)
        labels[(depth > front) & (depth < front + 6)] = Tissue.SKULL
        echoes = march(labels, grid, probe, plain_look(critical_deg=35.0, critical_loss=15.0), _properties())
        return float(np.median(echoes.transmission[230, 20:40]))

    assert behind(slope=1.7) < 0.6 * behind(slope=0.0)


@pytest.mark.parametrize("name", LOOKS)
def test_every_look_gives_a_picture_with_contrast(name: str) -> None:
    probe = straight_probe()
    grid = straight_grid(probe, (120, 40, 40), 0.5)
    labels = np.full(grid.shape, Tissue.FLUID, np.uint8)
    labels[40:100, 10:30, 10:30] = Tissue.BRAIN
    labels[40:44, 10:30, 10:30] = Tissue.SKULL
    rng = np.random.default_rng(2)
    image = form_image(labels, grid, probe, draw_look(name, rng), _properties(), rng)
    assert image.shape == grid.shape
    assert 0 <= image.min() <= image.max() <= 1
    assert image[40:44, 12:28, 12:28].mean() > image[20:36, 12:28, 12:28].mean()


def test_an_unknown_look_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of fundamental"):
        draw_look("holographic", np.random.default_rng(0))
