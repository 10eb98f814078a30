"""Cases to learn from: where they come from, how they are augmented, what a network sees of them."""
