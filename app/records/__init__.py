"""The database of measurements and the stored masks; the only code that knows either."""
