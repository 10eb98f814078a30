"""The printed page about one measurement. Needs reportlab, which is the extra `report`."""

from importlib.util import find_spec


def is_installed() -> bool:
    """Return whether the extra is installed."""
    return find_spec("reportlab") is not None
