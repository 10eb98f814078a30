"""What a part of the recipe is worth: the same training without it."""
