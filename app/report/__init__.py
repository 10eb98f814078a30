"""What is printed of measurements: a page for one, charts for many. Needs the extra `report`: reportlab, matplotlib."""

from importlib.util import find_spec

LIBRARIES = ("reportlab", "matplotlib")


def missing_libraries() -> list[str]:
    """Those of the extra that are not installed."""
    return [name for name in LIBRARIES if find_spec(name) is None]
