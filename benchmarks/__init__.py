"""Benchmarks: the duration of a measurement, stage by stage, on simulated volumes of three sizes."""
