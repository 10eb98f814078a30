"""Ablations: the same training without one part of the recipe."""
