"""Simulated patients: anatomy, acoustics and scans of fetal heads in 3D ultrasound. Needs numpy and scipy only."""

from training.phantom.scene import SimulationRequest
from training.phantom.simulate import Phantom, PhantomRecord, simulate

__all__ = ["Phantom", "PhantomRecord", "SimulationRequest", "simulate"]
