"""Pictures of a measurement, and a printed page that needs reportlab (the extra `report`)."""

from importlib.util import find_spec


def is_installed() -> bool:
    """Return whether the extra `report` is installed."""
    return find_spec("reportlab") is not None
