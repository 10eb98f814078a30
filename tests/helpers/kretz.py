"""Kretz files for tests, as GE Voluson scanners lay them out, and a fan around a known object."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"KRETZFILE 1.0   "
PATIENT_NAME = (0x0110, 0x0002)
SAMPLES, SERIES = (0xD000, 1), (0xD600, 1)


@dataclass(frozen=True)
class Fan:
    """A small swept curved array: lengths in mm, angles in degrees from the middle, and where the middle lies."""

    shape: tuple[int, int, int] = (60, 44, 40)
    first_radius: float = 40.0
    radial_step: float = 2.0
    sweep_offset: float = 10.0
    theta_deg: float = 34.0
    phi_deg: float = 36.0
    middle_deg: float = 90.0

    @property
    def theta(self) -> NDArray[np.float64]:
        return np.radians(np.linspace(-self.theta_deg, self.theta_deg, self.shape[1]))

    @property
    def phi(self) -> NDArray[np.float64]:
        return np.radians(np.linspace(-self.phi_deg, self.phi_deg, self.shape[2]))

    def points(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return x, y, z (mm) of the samples (R, T, P)."""
        r = (self.first_radius + self.radial_step * np.arange(self.shape[0]))[:, None, None]
        theta, phi = self.theta[None, :, None], self.phi[None, None, :]
        depth = r * np.cos(theta) - self.sweep_offset
        x = np.broadcast_to(r * np.sin(theta), self.shape)
        return x, depth * np.sin(phi), self.sweep_offset + depth * np.cos(phi)


def sphere_samples(fan: Fan, radius_mm: float = 38.4, inside: int = 200, around: int = 20) -> NDArray[np.uint8]:
    """Return the samples of a bright sphere, soft by a sample at its edge, that lies off the middle of the fan."""
    x, y, z = fan.points()
    distance = np.sqrt((x - 4) ** 2 + (y + 3) ** 2 + (z - 100) ** 2)
    part = np.clip(0.5 + (radius_mm - distance) / fan.radial_step, 0, 1)
    return np.asarray(np.rint(around + (inside - around) * part), np.uint8)


def kretz_items(samples: NDArray[np.uint8], fan: Fan, name: bytes = b"DOE^JANE") -> dict[tuple[int, int], bytes]:
    """Return the items of a file, by group and element."""
    middle = np.radians(fan.middle_deg)
    sizes = {(0xC000, axis + 1): struct.pack("<H", size) for axis, size in enumerate(samples.shape)}
    return {
        PATIENT_NAME: name,
        **sizes,
        (0xC100, 1): struct.pack("<d", fan.radial_step / 1000),
        (0xC200, 1): struct.pack("<d", fan.first_radius / fan.radial_step),
        (0xC200, 2): struct.pack("<d", -fan.sweep_offset / fan.radial_step),
        (0xC300, 1): (fan.phi + middle).astype("<f8").tobytes(),
        (0xC300, 2): (fan.theta + middle).astype("<f8").tobytes(),
        SAMPLES: samples.tobytes(order="F"),
    }


def pack_items(items: Mapping[tuple[int, int], bytes], magic: bytes = MAGIC) -> bytes:
    """Return a file of these items."""
    return magic + b"".join(struct.pack("<HHI", *tag, len(content)) + content for tag, content in items.items())


def kretz_bytes(fan: Fan | None = None, samples: NDArray[np.uint8] | None = None, name: bytes = b"DOE^JANE") -> bytes:
    """Return a file with these samples, a sphere by default."""
    fan = fan or Fan()
    return pack_items(kretz_items(sphere_samples(fan) if samples is None else samples, fan, name))
