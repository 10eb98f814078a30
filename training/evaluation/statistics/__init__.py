"""Statistics of many cases."""
