"""Training of fetalhead's segmentation networks: phantoms, networks, loop, evaluation and export."""
