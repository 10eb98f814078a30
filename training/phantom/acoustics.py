"""Image formation: from painted tissue to an ultrasound image, in the probe's coordinates.

Sound is marched along each beam (attenuation, losses at interfaces, skull beyond its critical angle), scatterers and
specular echoes are summed coherently under a point-spread function that widens with depth, and the envelope passes the
scanner's chain: clutter, noise, time-gain compensation, compression. Arrays are (R, T, P): beam, lateral, sweep.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.phantom.grey_map import compress, compress_for_brain
from training.phantom.looks import ScannerLook
from training.phantom.probe import PolarGrid, Probe
from training.phantom.shapes import Field
from training.phantom.tissues import BONES, Tissue, TissueProperties

_FWHM = 2.3548
_ENTRY_LOSS_DB = 2.5
_SLABS = 10
_CLUMP_MM = 3.0
_CLUMP_BEAMS = 4
_REFERENCE_PERCENTILE = 99.7
_UNEVEN_DB = 1.8
_UNEVEN_MM = 6.0


@dataclass(frozen=True)
class Echoes:
    """The echoes of the medium before the scanner's processing: amplitudes (R, T, P), linear."""

    backscatter: Field
    specular: Field
    transmission: Field


def march(
    labels: NDArray[np.uint8], grid: PolarGrid, probe: Probe, look: ScannerLook, tissue: TissueProperties
) -> Echoes:
    """March a pulse down every beam and return its echoes."""
    dr = grid.steps[0]
    impedance = tissue.impedance[labels]
    cosine = _compute_incidence(impedance, grid)
    reflection = np.zeros_like(impedance)
    np.subtract(impedance[1:], impedance[:-1], out=reflection[1:])
    reflection[1:] /= impedance[1:] + impedance[:-1]
    loss = tissue.attenuation[labels] * np.float32(2 * probe.frequency_mhz * dr / 10)
    loss -= 20 * np.log10(1 - np.minimum(reflection * reflection, 0.9))
    loss += _enter_bone(labels, cosine, look)
    transmission = 10 ** (np.cumsum(loss, axis=0) * np.float32(-1 / 20))
    backscatter = 10 ** (tissue.backscatter_db[labels] / np.float32(20)) * transmission
    specular = (
        np.abs(reflection) * cosine ** np.float32(look.incidence_power) * transmission * np.float32(look.specular)
    )
    return Echoes(backscatter, specular, transmission)


def _compute_incidence(impedance: Field, grid: PolarGrid) -> Field:
    """Return the cosine of the angle between beam and interface normal, from the smoothed impedance."""
    dr, dt, dp = grid.steps
    smooth = ndimage.gaussian_filter(impedance, (1.2 / dr, 1.2, 1.0), truncate=2.5)
    r = grid.r[:, None, None]
    along = np.gradient(smooth, dr, axis=0)
    across = (np.gradient(smooth, dt, axis=1) / r) ** 2 + (np.gradient(smooth, dp, axis=2) / r) ** 2
    return np.asarray(np.abs(along) / np.sqrt(along * along + across + 1e-9), np.float32)


def _enter_bone(labels: NDArray[np.uint8], cosine: Field, look: ScannerLook) -> Field:
    bone = np.isin(labels, BONES)
    entry = np.zeros(labels.shape, np.bool_)
    entry[1:] = bone[1:] & ~bone[:-1]
    limit = np.cos(np.deg2rad(look.critical_deg))
    beyond = np.clip((limit - cosine) / limit, 0, 1)
    return np.where(entry, _ENTRY_LOSS_DB + look.critical_loss * beyond, 0).astype(np.float32)


def form_image(
    labels: NDArray[np.uint8],
    grid: PolarGrid,
    probe: Probe,
    look: ScannerLook,
    tissue: TissueProperties,
    rng: np.random.Generator,
) -> Field:
    """Form the image of the painted samples, values 0..1 (R, T, P)."""
    echoes = march(labels, grid, probe, look, tissue)
    if look.tone == "brain":
        echoes = _make_uneven(echoes, grid, rng)
    if look.speckle == "postlog":
        envelope = _form_incoherent_envelope(echoes, grid, look, rng)
    else:
        draws = [form_coherent_envelope(echoes, grid, probe, look, rng) for _ in range(look.looks_averaged)]
        envelope = np.mean(draws, axis=0, dtype=np.float32)
    envelope = _add_clutter(envelope, labels, grid, look, rng)
    region = (labels >= Tissue.SCALP) & (labels <= Tissue.FACE)
    return _process(envelope, region, grid, probe, look, rng)


def _make_uneven(echoes: Echoes, grid: PolarGrid, rng: np.random.Generator) -> Echoes:
    """Let the scatterers vary slowly from place to place, as no tissue is the same throughout."""
    dr, dt, dp = grid.steps
    middle = float(grid.r.mean())
    size = tuple(max(_UNEVEN_MM / step, 0.5) for step in (dr, dt * middle, dp * middle))
    coarse = [max(int(n / s), 2) for n, s in zip(grid.shape, size, strict=True)]
    nodes = rng.normal(0, _UNEVEN_DB, coarse).astype(np.float32)
    zoom = [n / c for n, c in zip(grid.shape, coarse, strict=True)]
    field = ndimage.zoom(nodes, zoom, order=1, grid_mode=True, mode="nearest")
    return replace(echoes, backscatter=echoes.backscatter * 10 ** (field / np.float32(20)))


def form_coherent_envelope(
    echoes: Echoes, grid: PolarGrid, probe: Probe, look: ScannerLook, rng: np.random.Generator
) -> Field:
    """Return the envelope of scatterers and interfaces under the point-spread function; K where they cluster."""
    parts = []
    phase = rng.uniform(0, 2 * np.pi, grid.shape[1:]).astype(np.float32)
    cluster = _draw_clusters(grid, look, rng)
    for turn in (np.cos(phase), np.sin(phase)):
        part = rng.standard_normal(grid.shape, np.float32)
        part *= echoes.backscatter * cluster * np.float32(np.sqrt(0.5))
        part += echoes.specular * turn
        parts.append(_apply_point_spread(part, grid, probe, look))
    return np.hypot(*parts)


def _draw_clusters(grid: PolarGrid, look: ScannerLook, rng: np.random.Generator) -> Field | np.float32:
    """Draw the square root of a gamma-distributed scatterer density in clumps wider than the beam; 1 for Rayleigh."""
    if look.speckle != "k":
        return np.float32(1)
    clump = (max(round(_CLUMP_MM / grid.steps[0]), 1), _CLUMP_BEAMS, _CLUMP_BEAMS)
    coarse = tuple(-(-n // c) for n, c in zip(grid.shape, clump, strict=True))
    density = rng.standard_gamma(look.shape, coarse, np.float32) / np.float32(look.shape)
    for axis, (count, size) in enumerate(zip(clump, grid.shape, strict=True)):
        density = np.repeat(density, count, axis).take(np.arange(size), axis)
    return np.asarray(np.sqrt(density), np.float32)


def _apply_point_spread(field: Field, grid: PolarGrid, probe: Probe, look: ScannerLook) -> Field:
    """Apply a separable Gaussian that widens with depth, and keep the power of uncorrelated scatterers."""
    dr, dt, dp = grid.steps
    axial = look.grain * probe.cycles * probe.wavelength / 2 / _FWHM / dr
    field = _keep_power(field, axial, 0)
    out = np.empty_like(field)
    for rows in np.array_split(np.arange(grid.shape[0]), _SLABS):
        part = slice(rows[0], rows[-1] + 1)
        r = float(grid.r[part].mean())
        lateral, elevation = beam_widths(probe, r - probe.array_radius)
        scale = look.grain * look.lateral_smear / _FWHM / r
        out[part] = _keep_power(_keep_power(field[part], lateral * scale / dt, 1), elevation * scale / dp, 2)
    return out


def beam_widths(probe: Probe, depth: float) -> tuple[float, float]:
    """Return the full widths at half maximum in mm, lateral and elevational, at `depth` mm below the array."""
    lateral = probe.wavelength * max(probe.f_number, depth / probe.aperture)
    focused = probe.wavelength * max(depth, 5.0) / probe.elevation_width
    defocus = probe.elevation_width * abs(depth - probe.elevation_focus) / probe.elevation_focus
    return lateral, float(np.hypot(focused, 0.35 * defocus))


def _keep_power(field: Field, sigma: float, axis: int) -> Field:
    if sigma < 0.2:
        return field
    blurred = ndimage.gaussian_filter1d(field, sigma, axis=axis, truncate=3.0)
    return np.asarray(blurred * np.float32(np.sqrt(max(1.0, 2 * np.sqrt(np.pi) * sigma))), np.float32)


def _form_incoherent_envelope(echoes: Echoes, grid: PolarGrid, look: ScannerLook, rng: np.random.Generator) -> Field:
    """Return the blurred mean amplitude times gamma noise, without interference."""
    mean = echoes.backscatter + 0.6 * echoes.specular
    mean = ndimage.gaussian_filter(mean, (1.0 / grid.steps[0], 1.3, 1.6), truncate=2.5)
    noise = rng.standard_gamma(look.shape, grid.shape, np.float32) / np.float32(look.shape)
    noise = ndimage.gaussian_filter(noise - 1, (0.5 * look.grain / grid.steps[0], 0.7 * look.grain, 0.8 * look.grain))
    noise *= np.float32(0.35 / max(float(noise.std()), 1e-6))
    return np.asarray(mean * np.exp(np.clip(noise, -1.5, 1.5)), np.float32)


def _add_clutter(
    envelope: Field, labels: NDArray[np.uint8], grid: PolarGrid, look: ScannerLook, rng: np.random.Generator
) -> Field:
    """Add haze behind the near skull, side lobes and reverberation of the abdominal wall."""
    dr = grid.steps[0]
    skull = np.where(labels == Tissue.SKULL, envelope, 0)
    decay = np.exp(-dr / rng.uniform(6, 18))
    trail = np.empty_like(envelope)
    carry = np.zeros(grid.shape[1:], np.float32)
    for n in range(grid.shape[0]):
        carry = np.maximum(carry * np.float32(decay), skull[n])
        trail[n] = carry
    grain = rng.rayleigh(0.8, grid.shape).astype(np.float32)
    haze = trail * np.float32(look.haze) * ndimage.gaussian_filter(grain, (0.8, 1.0, 1.0), truncate=2)
    lobes = ndimage.uniform_filter1d(envelope, max(int(grid.shape[1] * 0.3), 3), axis=1)
    lobes = lobes * np.float32(10 ** (look.side_lobe / 20)) * grain
    out = envelope + haze + lobes
    shift = int(rng.uniform(8, 25) / dr)
    if 0 < shift < grid.shape[0]:
        out[shift:] += envelope[:-shift] * np.float32(10 ** (look.reverberation / 20))
    return np.asarray(out, np.float32)


def _process(
    envelope: Field,
    region: NDArray[np.bool_],
    grid: PolarGrid,
    probe: Probe,
    look: ScannerLook,
    rng: np.random.Generator,
) -> Field:
    """Apply noise, time-gain compensation, compression, tone and filters; the gain is raised until the head shows."""
    top = float(np.percentile(envelope[:: max(grid.shape[0] // 200, 1), ::3, ::3], _REFERENCE_PERCENTILE)) + 1e-12
    depth_cm = (grid.r - grid.r[0])[:, None, None] / 10
    slope = 2 * 0.5 * probe.frequency_mhz * look.compensation
    gain_db = np.minimum(slope * depth_cm, 55) + _draw_gain_bands(grid, look, rng)
    noise = top * 10 ** (look.noise / 20) * rng.rayleigh(1, grid.shape).astype(np.float32)
    received = (envelope + noise) * 10 ** (gain_db / np.float32(20))
    reference = float(np.percentile(received[::3, ::3, ::3], _REFERENCE_PERCENTILE)) * rng.uniform(0.4, 1.6) + 1e-12
    if region.any():
        head = float(np.percentile(received[region][::5], 97))
        reference = min(reference, head * 10 ** (rng.uniform(0, 16) / 20) + 1e-12)
    level = np.asarray(received / np.float32(reference), np.float32)
    image = compress_for_brain(level, region, rng) if look.tone == "brain" else compress(level, look)
    image = _filter(image, look, rng)
    return np.clip(image, 0, 1)


def _draw_gain_bands(grid: PolarGrid, look: ScannerLook, rng: np.random.Generator) -> Field:
    knots = rng.normal(0, look.bands, 8)
    bands = np.interp(np.linspace(0, 7, grid.shape[0]), np.arange(8), knots)
    return np.asarray(bands[:, None, None], np.float32)


def _filter(image: Field, look: ScannerLook, rng: np.random.Generator) -> Field:
    if look.despeckle == "median":
        image = ndimage.median_filter(image, size=(3, 3, 1))
    elif look.despeckle == "gaussian":
        image = ndimage.gaussian_filter(image, rng.uniform(0.5, 1.0), truncate=2.5)
    if look.edge:
        image = image + np.float32(look.edge) * (image - ndimage.gaussian_filter(image, 2.0, truncate=2.0))
    return np.asarray(image, np.float32)
