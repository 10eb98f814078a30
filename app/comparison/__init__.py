"""Comparison of measured heads with outlines that were drawn by hand."""
