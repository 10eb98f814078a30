"""Fitting the cascade: the loop, its losses, its checkpoints."""
