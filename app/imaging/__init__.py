"""Volumes, their geometry and everything numeric that training and serving share."""
