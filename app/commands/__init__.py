"""Commands of `fetalhead` that are more than a few lines; each adds its arguments and runs itself."""
