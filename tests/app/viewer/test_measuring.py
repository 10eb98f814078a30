"""Volumes are chosen and measured at the page: well, wrongly, several, and not at all."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from tests.app.viewer.browser import PHONE, visiting
from tests.app.viewer.gestures import BARE, SLANTED, SPHERE, measure, wait_for_planes
from tests.helpers.makers import NiftiOptions, nifti_bytes, sphere_volume, volume_bytes
from tests.helpers.service import Service, running_service

pytestmark = pytest.mark.slow

PLACEHOLDER = nifti_bytes(np.asarray(sphere_volume().data), np.eye(4), NiftiOptions(compress=True))
"""The sphere in a file whose header says 1 mm along each axis, as programs write that know no spacing."""
HOSTILE = "<img src=x onerror=alert(1)>.nii.gz"


def test_what_cannot_be_measured_says_what_to_do_and_shows_names_as_text(browser: Browser, base: str) -> None:
    with visiting(browser, base, expected=("415", "422", "pixDims"), scheme="dark") as visit:
        visit.open()
        measure(visit, b"no volume at all", HOSTILE)
        problem = visit.page.locator(".problem")
        expect(problem).to_contain_text("Not a volume file")
        expect(problem.locator(".remedy")).to_contain_text("What to do")
        assert visit.page.locator("main img").count() == 0
        visit.look("error-dark")
        measure(visit, volume_bytes(sphere_volume(shape=(12, 12, 12), spacing_mm=(0.5, 0.5, 0.5))))
        expect(problem).to_contain_text("too small")
        measure(visit, BARE)
        expect(problem.locator(".remedy")).to_contain_text("Type the voxel size")
        expect(visit.page.locator("#spacing")).to_be_focused()
        visit.look("no-spacing-dark")
        visit.page.keyboard.type("2")
        visit.page.keyboard.press("Enter")
        expect(visit.page.locator("#volume")).to_have_text(re.compile(r"23[678]"))
        wait_for_planes(visit)
        visit.page.click("text=Edit the mask")
        expect(visit.page.locator(".edited-volume")).to_contain_text("as measured")
        visit.page.click("text=Save the mask")
        expect(visit.page.locator(".review-note").first).to_contain_text("Edited by anonymous")


def test_a_placeholder_for_the_voxel_size_is_measured_again_with_the_true_one(browser: Browser, base: str) -> None:
    with visiting(browser, base, expected=("pixDims",)) as visit:
        visit.open()
        visit.page.fill("#weeks", "26+3")
        visit.page.fill("#subject", "S-047")
        measure(visit, PLACEHOLDER)
        flag = visit.page.locator(".flags li", has_text="The voxel size is probably a placeholder")
        expect(flag).to_contain_text("Measure the volume again with its true voxel size, even if that is 1 mm")
        first = visit.page.url
        visit.look("placeholder-spacing")
        flag.get_by_role("button").click()
        expect(visit.page.locator("#spacing")).to_be_focused()
        expect(visit.page.locator(".chosen li")).to_have_count(1)
        visit.page.keyboard.type("2")
        visit.page.keyboard.press("Enter")
        expect(visit.page.locator("#volume")).to_have_text(re.compile(r"23[678]"))
        expect(visit.page.locator(".figure")).to_contain_text("26+3 weeks")
        expect(visit.page.locator("h1")).to_have_text("Subject S-047")
        expect(visit.page.locator(".flags")).to_contain_text("The voxel size was typed in")
        assert visit.page.url != first


def test_what_was_typed_wrongly_is_said_before_anything_is_sent(browser: Browser, base: str) -> None:
    with visiting(browser, base, scheme="light") as visit:
        visit.open()
        visit.page.click(".measure-button")
        expect(visit.page.locator(".drop .wrong")).to_have_text("Choose a volume first.")
        visit.page.fill("#weeks", "26+9")
        visit.page.fill("#subject", "Mrs Smith")
        measure(visit, SPHERE)
        expect(visit.page.locator("#weeks")).to_be_focused()
        for name, words in {"weeks": "Enter 10 to 42 weeks", "subject": "Enter a pseudonym"}.items():
            expect(visit.page.locator(f"#{name}-hint")).to_contain_text(words)
            assert visit.page.get_attribute(f"#{name}", "aria-invalid") == "true"
        visit.look("typed-wrongly-light")
        visit.page.fill("#weeks", "26w3d")
        visit.page.fill("#subject", "S-040")
        expect(visit.page.locator("[aria-invalid]")).to_have_count(0)
        visit.page.press("#subject", "Enter")
        expect(visit.page.locator(".figure")).to_contain_text("26+3 weeks")


def test_a_file_can_be_taken_back_and_chosen_again(browser: Browser, base: str) -> None:
    file: Any = {"name": "s.nii.gz", "mimeType": "", "buffer": SPHERE}
    with visiting(browser, base) as visit:
        visit.open()
        for _ in range(2):
            visit.page.set_input_files("#file", file)
            expect(visit.page.locator(".chosen li")).to_have_count(1)
            visit.page.click("button:has-text('Remove')")
            expect(visit.page.locator(".chosen li")).to_have_count(0)


def test_a_file_that_vanished_after_it_was_chosen(browser: Browser, base: str, tmp_path: Path) -> None:
    path = tmp_path / "volume.nii.gz"
    path.write_bytes(SPHERE)
    with visiting(browser, base, expected=("ERR_",)) as visit:
        visit.open()
        visit.page.set_input_files("#file", path)
        path.unlink()
        visit.page.click(".measure-button")
        expect(visit.page.locator(".problem")).to_contain_text("The file cannot be read")


def test_several_volumes_are_measured_one_after_the_other(browser: Browser, service: Service, base: str) -> None:
    files: Any = [
        {"name": name, "mimeType": "", "buffer": content}
        for name, content in {"a.nii.gz": SPHERE, "broken.nii": b"none", "bare.nii": BARE, "b.nii.gz": SLANTED}.items()
    ]
    with visiting(browser, base, PHONE, expected=("415", "422", "pixDims"), scheme="light") as visit:
        visit.open()
        visit.page.set_input_files("#file", files)
        visit.page.fill("#weeks", "25+0")
        visit.page.fill("#subject", "S-041")
        with service.busy():
            visit.page.click(".measure-button")
            expect(visit.page.locator(".batch li").first).to_contain_text("being measured")
            expect(visit.page.locator(".progress button", has_text="Stop")).to_be_visible()
            visit.look("several-working-phone-light", whole=True)
        rows = visit.page.locator(".batch li")
        expect(visit.page.locator(".batch h2")).to_have_text("2 of 4 volumes measured")
        expect(rows.nth(0)).to_contain_text(re.compile(r"23[678] mL"))
        expect(rows.nth(1)).to_contain_text("Not a volume file. Convert the scan to NIfTI")
        expect(rows.nth(2)).to_contain_text("Type the voxel size")
        expect(rows.nth(3)).to_contain_text("mL")
        expect(visit.page.locator(".chosen li")).to_have_text([re.compile("broken.nii"), re.compile("bare.nii")])
        visit.look("several-phone-light", whole=True)
        visit.page.click(".batch a >> nth=0")
        wait_for_planes(visit)
        expect(visit.page.locator(".own-file")).to_have_count(0)
        visit.page.click("text=Measure >> nth=0")
        expect(rows).to_have_count(4)
    assert len(service.client.get("/volume", params={"subject": "S-041"}).json()["items"]) == 2


def test_the_fields_are_empty_for_the_next_patient(browser: Browser, base: str) -> None:
    with visiting(browser, base) as visit:
        visit.open()
        visit.page.fill("#weeks", "25")
        visit.page.fill("#subject", "S-042")
        measure(visit, SPHERE)
        expect(visit.page.locator("#volume")).to_be_visible()
        visit.page.click("nav >> text=Measure")
        expect(visit.page.locator("#subject")).to_have_value("")
        expect(visit.page.locator("#weeks")).to_have_value("")
        expect(visit.page.locator(".chosen li")).to_have_count(0)


def test_without_a_model_the_page_says_so_before_a_volume_is_sent(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with (
        running_service(tmp_path / "data", tmp_path / "models", wait=False) as service,
        visiting(browser, str(service.client.base_url).rstrip("/"), PHONE, expected=("503",)) as visit,
    ):
        visit.open()
        expect(visit.page.locator("#model")).to_have_text("No model")
        expect(visit.page.locator("#outage")).to_contain_text("Nothing can be measured now")
        visit.look("without-model")


def test_a_volume_that_waits_can_be_cancelled(browser: Browser, service: Service, base: str) -> None:
    with visiting(browser, base, PHONE, scheme="dark") as visit, service.busy():
        visit.open()
        measure(visit, SPHERE)
        expect(visit.page.locator(".progress")).to_be_visible()
        cancel = visit.page.locator(".progress button", has_text="Cancel")
        expect(cancel).to_be_visible()
        visit.look("working-phone-dark")
        cancel.click()
        expect(visit.page.locator(".progress")).to_have_count(0)
        expect(visit.page.locator("main")).to_contain_text("Cancelled")
