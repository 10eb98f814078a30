"""Errors of a comparison."""

from __future__ import annotations


class ComparisonError(Exception):
    """Folders that cannot be compared, or results that cannot be written: what was found, and what to do."""
