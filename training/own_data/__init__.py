"""Annotated volumes of your own: finding them, splitting them by patient, training and measuring on them."""
