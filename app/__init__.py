"""Fetalhead: the whole fetal head segmented and measured in three-dimensional ultrasound."""
