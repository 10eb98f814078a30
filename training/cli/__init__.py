"""The commands of `fetalhead-train`, a module for each group."""
