"""The page of the comparison, as it reads."""

from pathlib import Path

import pytest

from tests.helpers.golden import Golden
from tests.training.paper.results import measured, repeated
from training.paper.report import write_report
from training.paper.scales import REPEATED, SCALES


@pytest.mark.parametrize("scale", ["cpu", "smoke"])
def test_it_reads_as_in_its_golden_file(scale: str, tmp_path: Path, golden: Golden) -> None:
    """Three training seeds or one, a missed head, systems that were not measured, and a note."""
    seeds = len(SCALES[scale].seeds)
    found = [
        measured("USegNet", *[0.80, 0.81, 0.80][:seeds], missed=1),
        measured("USegNet-DS", *[0.70, 0.71, 0.70][:seeds]),
        measured("USegNet-DS-Conv", *[0.72, 0.71, 0.70][:seeds]),
        measured("SAM-1", *[0.71, 0.69, 0.72][:seeds]),
        measured(REPEATED, *[0.762949] * seeds),
    ]
    spreads = [repeated((200 - d, 200, 200 + d), (300 - d, 300, 300 + d)) for d in (10, 20, 15)]
    figure = (tmp_path / "figures" / "figure_4.png", "Figure 4. Distances.")
    page = write_report(
        tmp_path, SCALES[scale], {one.system.name: one for one in found}, [figure], spreads[:seeds], "A note."
    )
    golden(page.read_text(encoding="utf-8"), f"comparison_{scale}.md")
