"""The commands of `fetalhead`, a module for each."""
