"""Statistics of measured against true volumes."""
