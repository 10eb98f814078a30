import csv
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tests.training.results import shown
from training.config.data import SeedRange
from training.config.training import BudgetConfig, ConfigError, TrainingConfig
from training.paper.benchmark import Benchmark, select_systems
from training.paper.scales import SCALES, Scale
from training.paper.systems import COMPARISONS, TABLE_1, TABLE_2
from training.phantom.cohort import make_cohort

pytestmark = pytest.mark.slow

TINY = Scale("smoke", "benchmark-smoke", (1,), 2, 1, 2, 6.0, 8.0)
FIGURES = ["4_surface_distances", "5_six_cases", "6_contours", "7_probabilities", "8_agreement", "9_reproducibility"]


@dataclass(frozen=True)
class Tiny(Benchmark):
    """The whole comparison with two steps of training."""

    @property
    def base(self) -> TrainingConfig:
        base = super().base
        ranges = (SeedRange(first=100000, stop=100002), SeedRange(first=100600, stop=100602))
        data = base.data.model_copy(update={"train": ranges, "validation_cases": 1})
        return base.model_copy(update={"budget": BudgetConfig(steps=(2, 1)), "data": data})


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    root = tmp_path_factory.mktemp("benchmark")
    work = Tiny(TINY, root, root / "phantoms")
    assert len(list(make_cohort(work.phantoms, work.list_requests()))) == 5
    for run in work.train():
        assert run.is_finished()
    work.evaluate(shown)
    return work


def test_both_tables_have_every_row(work: Tiny, tmp_path: Path) -> None:
    page = work.report(tmp_path / "results", note="A note.").read_text(encoding="utf-8")
    assert "**Simulated patients.**" in page
    assert "A note." in page
    assert "Not measured" not in page
    for number, names in ((1, TABLE_1), (2, TABLE_2)):
        with (tmp_path / "results" / f"table_{number}.csv").open(encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
        assert tuple(row["system"] for row in rows) == names
        assert all(int(row["parameters"]) > 0 and float(row["seconds"]) > 0 for row in rows)
        assert all(row["paper_dsc_percent"] for row in rows)
    with (tmp_path / "results" / "comparisons.csv").open(encoding="utf-8") as handle:
        pairs = list(csv.DictReader(handle))
    assert [(row["system"], row["against"]) for row in pairs] == [(p.system, p.against) for p in COMPARISONS]
    assert {row["found"] for row in pairs} == {"not resolved"}
    with (tmp_path / "results" / "reproducibility.csv").open(encoding="utf-8") as handle:
        assert len(list(csv.DictReader(handle))) == 2 * 3
    figures = tmp_path / "results" / "figures"
    for name in FIGURES:
        with Image.open(figures / f"figure_{name}.png") as picture:
            assert min(picture.size) > 600
        assert f"figures/figure_{name}.png" in page
    drawings = {path.stem: path.stat().st_size for path in figures.glob("*.svg")}
    assert set(drawings) == {f"figure_{name}" for name in FIGURES[2:]}
    assert max(drawings.values()) < 500_000
    assert page.count("Training seed 1.") == len(FIGURES)
    with (tmp_path / "results" / "cases.csv").open(encoding="utf-8") as handle:
        assert len(list(csv.DictReader(handle))) == 14 * 3


def test_what_is_done_is_not_done_again(work: Tiny) -> None:
    journals = {path: path.stat().st_mtime_ns for path in work.root.rglob("*.jsonl")}
    weights = {path: path.stat().st_mtime_ns for path in work.root.rglob("weights.pt")}
    assert len(weights) == 15
    for _ in work.train():
        pass
    work.evaluate(shown)
    assert {path: path.stat().st_mtime_ns for path in work.root.rglob("*.jsonl")} == journals
    assert {path: path.stat().st_mtime_ns for path in work.root.rglob("weights.pt")} == weights


def test_a_part_of_the_systems_is_reported_as_such(work: Tiny, tmp_path: Path) -> None:
    part = Tiny(TINY, work.root, work.phantoms, select_systems("USegNet-DS, usegnet_ds_has"))
    page = part.report(tmp_path).read_text(encoding="utf-8")
    assert "Not measured: p-USegNet, 2D-USegNet" in page
    assert "USegNet-DS-HAS" in page


def test_nothing_finished_is_nothing_to_report(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no finished system"):
        Benchmark(SCALES["smoke"], tmp_path, tmp_path).report(tmp_path)


def test_scales_share_the_cohort_of_training(tmp_path: Path) -> None:
    for name in ("cpu", "gpu"):
        wanted = list(Benchmark(SCALES[name], tmp_path, tmp_path).list_requests())
        seeds = [request.seed for request in wanted if request.seed < 500_000]
        assert seeds == [*range(100_000, 101_200)]
