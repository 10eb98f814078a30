"""The paper's results that tables show beside ours."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PaperRow:
    """A row of the paper's results on its 50 clinical volumes: per cent, mm and seconds."""

    dsc: float
    conformity: float
    jaccard: float
    adb_mm: float
    hdb_mm: float
    seconds: float | None = None


FULL_SYSTEM = PaperRow(96.05, 91.74, 92.42, 0.4793, 4.609)
"""USegNet-DS-HAS-Ctx, the paper's full system."""
