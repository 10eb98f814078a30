"""Bytes in, report out; neither HTTP nor a database."""
