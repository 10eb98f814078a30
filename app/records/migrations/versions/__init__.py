"""One module per change of the schema, numbered in the order in which they are applied."""
