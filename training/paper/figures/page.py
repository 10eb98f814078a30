"""Pages of figures: size, title, the note that the patients are simulated, and saving."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

NOTE = "Simulated patients; not evidence about clinical ones."
DPI = 200
SVG_DPI = 80
"""The resolution of images in SVG files, whose voxels are some millimetres; files stay below half a megabyte."""
SYSTEM_COLOURS = ("#e69f00", "#56b4e9", "#cc79a7", "#f0e442")
"""Okabe and Ito's colours, which colour-blind readers can distinguish, too."""
BLUE, VERMILION = "#0072b2", "#d55e00"


def make_page(width: float, height: float, title: str) -> Figure:
    """Make a page of this size in inches, with its title above and the note below."""
    page = Figure(figsize=(width, height), layout="constrained")
    page.suptitle(title, fontsize=11)
    page.supxlabel(NOTE, fontsize=8, color="0.4")
    return page


def save(page: Figure, path: Path, vector: bool = True) -> Path:
    """Write the page as PNG, and as SVG beside it where `vector` is set; return the PNG's path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.savefig(path, dpi=DPI, metadata={"Software": None})
    if vector:
        with rc_context({"svg.hashsalt": path.stem}):
            page.savefig(path.with_suffix(".svg"), dpi=SVG_DPI, metadata={"Date": None, "Creator": None})
    return path
