"""Statistics over cases."""
