import json
from pathlib import Path

import numpy as np
import pytest

from app.imaging.volume import VolumeGeometry
from app.inference.model_store import ModelStore
from model_store import packaged_store
from tests.training.results import result
from training.evaluation.cases import CaseResult
from training.evaluation.metrics import METRICS, ComparedMasks, measure_masks, summarise_metrics
from training.evaluation.report import Evaluation, EvaluationSection
from training.evaluation.tables import format_table

PUBLISHED = sorted(packaged_store().glob("*/*/evaluation.json"))
TITLES = ["DSC", "Jaccard", "Conformity", "Adb (mm)", "Hdb (mm)", "Volume error (%)"]
GEOMETRY = VolumeGeometry.from_spacing((8, 8, 8), (10.0, 10.0, 10.0))


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: f"{path.parts[-3]}-{path.parts[-2]}")
def test_published_evaluations_print_the_metrics_that_their_cards_show(path: Path) -> None:
    found = Evaluation.model_validate_json(path.read_text(encoding="utf-8"))
    printed = read_metrics(format_table(found.sections, found.data))
    assert printed == read_metrics((path.parent / "model_card.md").read_text(encoding="utf-8"))
    assert [title for title, *_ in printed] == TITLES


def read_metrics(text: str) -> list[tuple[str, ...]]:
    """Return title and measured values of each metric in a table; not every card has all of the paper's values."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    return [(title, *measured) for title, _, *measured in rows if title in TITLES]


def test_the_newest_evaluation_is_written_as_it_is_stored() -> None:
    version = ModelStore(packaged_store()).versions("fetal_head")[-1]
    text = (packaged_store() / "fetal_head" / f"{version}" / "evaluation.json").read_text(encoding="utf-8")
    found = Evaluation.model_validate_json(text)
    assert json.dumps(found.model_dump(exclude_none=True), indent=2) + "\n" == text


def test_a_case_is_stored_in_the_members_and_the_order_of_earlier_journals() -> None:
    assert result(5).model_dump_json() == (
        '{"seed":5,"case":null,"subject_seed":null,"gestational_age_weeks":25.5,"family":"parametric","look":"grainy",'
        '"truncated":false,"true_ml":205.0,"measured_ml":210.0,"dsc":0.95,"jaccard":0.9,"conformity":0.89,'
        '"adb_mm":0.8,"hdb_mm":4.0,"verdict":"ok","flags":[],"quality":{},"seconds":1.0,"spacing_mm":null}'
    )


def test_every_metric_of_masks_is_stored_with_its_case_and_every_metric_is_summarised() -> None:
    stored = {name for name, metric in METRICS.items() if metric.compute is not None}
    assert stored == METRICS.keys() & CaseResult.model_fields.keys() == METRICS.keys() - {"volume_error_percent"}
    assert METRICS.keys() <= EvaluationSection.model_fields.keys()
    assert summarise_metrics([result(0), result(10)]).keys() == METRICS.keys()


def test_metrics_of_masks_that_touch_by_half() -> None:
    truth, mask = np.zeros((2, 8, 8, 8), np.uint8)
    truth[2:6, 2:6, 2:6] = mask[4:8, 2:6, 2:6] = 1
    found = measure_masks(ComparedMasks(mask, truth, GEOMETRY))
    assert found["true_ml"] == found["measured_ml"] == pytest.approx(64.0)
    assert (found["dsc"], found["jaccard"], found["conformity"]) == pytest.approx((1 / 2, 1 / 3, -1))
    assert found["hdb_mm"] == pytest.approx(20.0)


def test_an_empty_mask_has_an_overlap_but_no_distance() -> None:
    truth, mask = np.ones((8, 8, 8), np.uint8), np.zeros((8, 8, 8), np.uint8)
    found = measure_masks(ComparedMasks(mask, truth, GEOMETRY))
    assert (found["dsc"], found["conformity"], found["adb_mm"], found["hdb_mm"]) == (0.0, None, None, None)
