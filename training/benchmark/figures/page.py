"""A sheet to draw on: size, title, the note that the patients are simulated, and writing it to disk."""

from pathlib import Path

from matplotlib.figure import Figure

NOTE = "Simulated patients; says nothing certain about clinical ones."
DPI = 110


def new_page(width: float, height: float, title: str) -> Figure:
    """A sheet of so many inches with its title above and the note below."""
    page = Figure(figsize=(width, height), layout="constrained")
    page.suptitle(title, fontsize=11)
    page.supxlabel(NOTE, fontsize=8, color="0.4")
    return page


def save(page: Figure, path: Path) -> Path:
    """Write the sheet as PNG; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.savefig(path, dpi=DPI, metadata={"Software": None})
    return path
