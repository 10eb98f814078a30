"""The HTTP interface; nothing below this package knows HTTP."""
