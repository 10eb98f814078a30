"""Probes of a model's errors: orientation robustness, and errors along the surface."""
