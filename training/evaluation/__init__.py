"""Evaluation on the native grid: overlap and distance metrics, agreement of volumes, and reports."""
