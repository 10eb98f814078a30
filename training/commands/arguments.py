"""Arguments of the commands, and of the demonstration, which needs no torch."""

import argparse
from math import nan


def spacing_mm(text: str) -> float:
    """Edge of the voxels of simulated scans, mm, for argparse."""
    from training.phantom.scene import SPACINGS_MM

    least, most = SPACINGS_MM
    try:
        value = float(text)
    except ValueError:
        value = nan
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size from {least:g} to {most:g} mm")
    return value
