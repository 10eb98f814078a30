"""Formats of volumes, all read as untrusted input; `app.imaging.formats.registry` chooses by content."""
