"""Records saved as a whole and brought back."""
