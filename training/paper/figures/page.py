"""A sheet to draw on: size, title, the note that the patients are simulated, and writing it to disk."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

NOTE = "Simulated patients; says nothing certain about clinical ones."
DPI = 200
SVG_DPI = 80
"""Of the images inside, which have voxels of some millimetres; files stay below half a megabyte."""
SYSTEM_COLOURS = ("#e69f00", "#56b4e9", "#cc79a7", "#f0e442")
"""Okabe and Ito's colours, told apart by the colour-blind, too."""
BLUE, VERMILION = "#0072b2", "#d55e00"


def new_page(width: float, height: float, title: str) -> Figure:
    """A sheet of so many inches with its title above and the note below."""
    page = Figure(figsize=(width, height), layout="constrained")
    page.suptitle(title, fontsize=11)
    page.supxlabel(NOTE, fontsize=8, color="0.4")
    return page


def save(page: Figure, path: Path, vector: bool = True) -> Path:
    """Write the sheet as PNG, and as SVG beside it where wanted; returns the PNG's path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.savefig(path, dpi=DPI, metadata={"Software": None})
    if vector:
        with rc_context({"svg.hashsalt": path.stem}):
            page.savefig(path.with_suffix(".svg"), dpi=SVG_DPI, metadata={"Date": None, "Creator": None})
    return path
