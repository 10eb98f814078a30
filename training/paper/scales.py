"""Scales of a comparison: its preset, its seeds and its numbers of cases."""

from dataclasses import dataclass

from training.phantom import SimulationRequest
from training.phantom.cohort import request_for
from training.phantom.views import scan_directions


@dataclass(frozen=True)
class Scale:
    """Everything that differs between a run in CI and one on a GPU; spacings in mm."""

    name: str
    preset: str
    seeds: tuple[int, ...]
    test: int
    shifted: int
    groups: int
    train_spacing: float
    test_spacing: float

    def list_scans(self, part: str) -> list[SimulationRequest]:
        """Return the scans of a part: "test", "shifted" or "reproducibility"."""
        if part == "reproducibility":
            return list(scan_directions(self.groups, self.test_spacing))
        return [request_for(part, n, self.test_spacing) for n in range(getattr(self, part))]


SCALES = {
    scale.name: scale
    for scale in (
        Scale("smoke", "benchmark-smoke", (1,), 4, 2, 2, 4.0, 4.0),
        Scale("cpu", "benchmark-cpu", (1, 2, 3), 80, 40, 16, 2.0, 2.0),
        Scale("gpu", "benchmark-gpu", (1, 2, 3), 200, 100, 52, 0.95, 0.38),
    )
}
PARTS = ("test", "shifted")
REPEATED = "USegNet-DS-HAS-Ctx"
"""The system whose reproducibility is measured, as in the paper's figure 9."""
