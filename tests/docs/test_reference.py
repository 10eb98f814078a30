"""The reference pages say what the code does."""

from scripts.reference import outdated
from scripts.reference.markdown import anchor, table
from scripts.reference.tables import with_settings
from tests.helpers.repository import ROOT


def test_every_page_is_up_to_date() -> None:
    assert [path.name for path in outdated()] == [], "run `make reference`"


def test_every_request_and_every_command_is_there() -> None:
    docs = ROOT / "docs" / "reference"
    http, commands = ((docs / f"{name}.md").read_text("utf-8") for name in ("http", "commands"))
    for heading in ("POST /segment", "GET /volume", "PUT /models/active", "Report", "Problem"):
        assert f"# {heading}\n" in http
    for heading in ("fetalhead segment", "fetalhead records backup", "fetalhead-train fit"):
        assert f"### {heading}\n" in commands


def test_a_row_of_a_setting_follows_the_code() -> None:
    new = with_settings("| `FETALHEAD_PORT` | `1` | Old. |\n| `FETALHEAD_URL` | a | b |\n")
    assert "| `FETALHEAD_PORT` | `8000` | Port" in new
    assert "| `FETALHEAD_URL` | a | b |\n" in new


def test_a_cell_holds_one_line_and_no_border() -> None:
    assert table(["a"], [["b |\n  c"]]).splitlines()[-1] == "| b \\| c |"


def test_a_link_is_spelt_as_the_site_spells_it() -> None:
    assert anchor("GET /segmentations/{segmentation_id}/mask") == "#get-segmentationssegmentation_idmask"
