"""What the page shows of a measurement, and what a reader makes of it."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.app.viewer.browser import PHONE, visiting
from tests.app.viewer.gestures import (
    BARE,
    SLANTED,
    SPHERE,
    assert_edits_are_not_lost_unasked,
    assert_fades,
    change_ml,
    downloaded,
    drop,
    layer,
    mask_of,
    stroke,
    wait_for_planes,
    wait_until,
)
from tests.helpers.makers import NiftiOptions, sphere_ml, sphere_volume, volume_bytes
from tests.helpers.service import Service, post

pytestmark = pytest.mark.slow


def test_a_volume_is_dropped_measured_looked_at_found_again_and_downloaded(browser: Browser, base: str) -> None:
    with visiting(browser, base, scheme="light") as visit:
        visit.open()
        expect(visit.page.locator("#model")).to_have_text("fetal_head 1")
        visit.look("start-light")
        drop(visit, SPHERE)
        visit.page.fill("#weeks", "24+3")
        visit.page.fill("#subject", "S-017")
        visit.look("chosen-light")
        assert visit.page.locator("#volume").count() == 0, "nothing is sent before it is asked for"
        visit.page.click(".measure-button")
        expect(visit.page.locator("#volume")).to_have_text(re.compile(r"23[678]"))
        expect(visit.page.locator(".figure")).to_contain_text("24+3 weeks")
        expect(visit.page.locator(".interval")).to_contain_text("95 % interval")
        wait_for_planes(visit)
        visit.look("result-light")
        layers = {name: layer(visit, name) for name in ("outline", "filled", "hidden", "probability")}
        assert len(set(layers.values())) == len(layers), "each layer shows something of its own"
        layer(visit, "disagreement")
        visit.look("disagreement-light")
        assert downloaded(visit, "Mask (NIfTI)") == pytest.approx(sphere_ml(), rel=0.01)
        with visit.page.expect_download() as page_about_it:
            visit.page.click("button:text-is('PDF report')")
        assert Path(page_about_it.value.path()).read_bytes().startswith(b"%PDF")
        visit.page.click("text=Past measurements")
        visit.page.fill("#search", "s-01")
        expect(visit.page.locator("tbody tr")).to_have_count(1)
        visit.look("past-light")
        visit.page.click("tbody >> text=S-017")
        expect(visit.page.locator("figcaption")).to_contain_text("not a reference chart")
        assert visit.page.locator("circle.point").count() == 1
        visit.look("subject-light")
        visit.page.goto(f"{base}/#/past")
        visit.page.fill("#search", "nobody")
        expect(visit.page.locator(".empty")).to_contain_text("No matches")
        visit.look("past-nothing-fits")


def test_the_figures_of_a_subject_count_the_same_scans(browser: Browser, service: Service, base: str) -> None:
    """Four scans: one file more is measured twice, and one is rejected by a reader."""
    reports = [
        post(
            service.client,
            volume_bytes(sphere_volume(radius_mm=radius_mm), NiftiOptions(compress=True)),
            subject="S-020",
            gestational_age_weeks=25.0,
        ).json()
        for radius_mm in (38.0, 39.0, 38.5, 36.0, 38.2, 38.0)
    ]
    rejection = {"decision": "reject", "reason": "it moved"}
    assert service.client.post(f"/segmentations/{reports[3]['id']}/decision", json=rejection).status_code == 200
    with visiting(browser, base, scheme="dark") as visit:
        visit.open("/#/subject/S-020")
        caption = visit.page.locator(".repeats figcaption")
        expect(caption).to_contain_text("3 pairs of scans")
        expect(caption).to_contain_text("95 % limits of agreement")
        assert visit.page.locator(".repeats circle.point").count() == 3
        assert visit.page.locator(".growth:not(.repeats) circle.point").count() == 4
        expect(visit.page.locator("main")).to_contain_text("2 of 6 measurements are not drawn")
        expect(visit.page.locator("tbody tr", has_text="rejected")).to_have_count(1)
        visit.look("repeats-dark", whole=True)
    with visiting(browser, base, PHONE, scheme="light") as visit:
        visit.open("/#/past")
        visit.page.click("text=How far repeated scans differ")
        expect(visit.page.locator(".repeats circle.point")).to_have_count(3)
        visit.look("repeats-phone-light", whole=True)


def test_a_mask_is_edited_filled_saved_and_decided(browser: Browser, service: Service, base: str) -> None:
    report = post(service.client, SLANTED, subject="S-018", gestational_age_weeks=26.0).json()
    with visiting(browser, base, scheme="light") as visit:
        visit.open(f"/#/segmentation/{report['id']}")
        wait_for_planes(visit)
        visit.page.set_input_files("#own-file", {"name": "s.nii.gz", "mimeType": "", "buffer": SLANTED})
        visit.page.wait_for_selector(".frame[data-ready=volume]", state="attached")
        visit.page.click("text=Edit the mask")
        untouched = visit.planes()
        visit.page.check("input[value=eraser]", force=True)
        visit.page.fill("#pen", "20")
        stroke(visit)
        once = change_ml(visit)
        assert once < -0.5
        assert visit.planes() != untouched
        visit.page.click("text=Smart fill")
        wait_until(visit, lambda: change_ml(visit) < once - 1)
        filled = change_ml(visit)
        visit.look("editing-light")
        frame = visit.page.locator(".frame").bounding_box()
        visit.page.click("text=Undo")
        wait_until(visit, lambda: change_ml(visit) == once)
        visit.page.click("text=Redo")
        wait_until(visit, lambda: change_ml(visit) == filled)
        expect(visit.page.locator("button:text-is('Redo')")).to_be_disabled()
        assert visit.page.locator(".frame").bounding_box() == frame, "nothing moves under the brush"
        assert_edits_are_not_lost_unasked(visit, filled)
        visit.page.click("text=Save the mask")
        edited = report["head_volume_ml"] + filled
        expect(visit.page.locator("#volume")).to_have_text(f"{edited:.0f}")
        expect(visit.page.locator(".interval")).to_have_count(0)
        expect(visit.page.locator(".figure")).to_contain_text(f"The model measured {report['head_volume_ml']:.0f} mL")
        visit.page.click("text=Record the decision")
        expect(visit.page.locator(".decision .problem")).to_contain_text("A reason is missing")
        visit.look("undecided-light")
        visit.page.fill("#reason", "<b>the scalp</b> was cut")
        visit.page.click("text=Record the decision")
        expect(visit.page.locator(".recorded")).to_contain_text("<b>the scalp</b> was cut")
        assert visit.page.locator(".recorded b").count() == 0
        visit.look("decided-light")
        assert downloaded(visit, "Mask (NIfTI)") == pytest.approx(edited, abs=0.1)
        visit.page.click("text=Past measurements")
        expect(visit.page.locator("tbody tr", has_text="S-018")).to_contain_text("accepted as edited")
        expect(visit.page.locator("tbody tr", has_text="S-018").locator(".strong")).to_have_text(f"{edited:.0f}")
    stored = service.client.get(f"/segmentations/{report['id']}").json()["review"]
    assert stored["edit"]["head_volume_ml"] == pytest.approx(edited, abs=0.1)
    changed = mask_of(service, report, "original") != mask_of(service, report, "edited")
    assert changed.any()
    assert not (changed & (mask_of(service, report, "original") == 0)).any(), "erased only, so the grid was not turned"
    assert_fades(changed)


def test_a_measurement_that_a_reader_rejected_shows_no_volume(browser: Browser, service: Service, base: str) -> None:
    report = post(service.client, SPHERE, subject="S-077").json()
    with visiting(browser, base, scheme="light") as visit:
        visit.open(f"/#/segmentation/{report['id']}")
        wait_for_planes(visit)
        visit.page.check("input[value=reject]", force=True)
        visit.page.fill("#reason", "wrong fetus")
        visit.page.click("text=Record the decision")
        expect(visit.page.locator(".big")).to_have_text("Rejected")
        expect(visit.page.locator(".review-note").first).to_contain_text("Rejected by anonymous")
        visit.look("rejected-by-a-reader-light")
        visit.page.click("text=Past measurements")
        expect(visit.page.locator("tbody tr", has_text="S-077").locator(".strong")).to_have_text("none")


def test_the_list_asks_for_a_new_decision_where_the_mask_was_replaced_after_it(
    browser: Browser, service: Service, base: str
) -> None:
    old, new = (post(service.client, SPHERE, subject=subject).json()["id"] for subject in ("S-091", "S-092"))
    for report in (old, new):
        decision = {"decision": "reject", "reason": "it moved"}
        assert service.client.post(f"/segmentations/{report}/decision", json=decision).status_code == 200
    mask = service.client.get(f"/segmentations/{old}/mask").content
    assert service.client.put(f"/segmentations/{old}/mask", content=mask).status_code == 200
    with visiting(browser, base, scheme="light") as visit:
        visit.open("/#/past")
        visit.page.fill("#search", "S-09")
        expect(visit.page.locator("tbody tr")).to_have_count(2)
        expect(visit.page.locator("tbody tr", has_text="S-091")).to_contain_text("Mask changed since: decide again")
        expect(visit.page.locator("tbody tr", has_text="S-092")).not_to_contain_text("changed")
        visit.look("past-outdated-light")
        visit.page.click("tbody tr:has-text('S-091') >> a >> nth=0")
        expect(visit.page.locator(".figure")).to_contain_text("please decide again")


def test_a_good_measurement_with_a_note_does_not_say_that_all_is_well(
    browser: Browser, service: Service, base: str
) -> None:
    report = post(service.client, BARE, subject="S-043", spacing_mm="2,2,2").json()
    assert report["verdict"] == "ok"
    assert [flag["code"] for flag in report["flags"]] == ["spacing_supplied"]
    with visiting(browser, base, expected=("pixDims",), scheme="light") as visit:
        visit.open(f"/#/segmentation/{report['id']}")
        expect(visit.page.locator(".verdict.ok h2")).to_have_text("Measured, with a note")
        expect(visit.page.locator(".verdict")).not_to_contain_text("Every check passed")
        wait_for_planes(visit)
        visit.look("with-a-note-light")
        visit.page.goto(f"{base}/#/past")
        expect(visit.page.locator("tbody tr", has_text="S-043")).to_contain_text("with a note")


def test_a_rejected_measurement_says_why_and_what_to_do(browser: Browser, service: Service, base: str) -> None:
    report = post(service.client, volume_bytes(sphere_volume(radius_mm=9.0))).json()
    assert report["verdict"] == "reject"
    with visiting(browser, base, scheme="dark") as visit:
        visit.open(f"/#/segmentation/{report['id']}")
        wait_for_planes(visit)
        expect(visit.page.locator(".big")).to_have_text("No volume")
        flags = visit.page.locator(".flags li")
        expect(flags).to_have_count(len(report["flags"]))
        expect(flags.locator(".remedy")).to_have_count(len(report["flags"]))
        visit.look("rejected-dark")


def test_a_browser_without_webgl_is_told_what_to_do(browser: Browser, service: Service, base: str) -> None:
    report = post(service.client, SPHERE).json()
    with visiting(browser, base, expected=("WebGL",)) as visit:
        visit.page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
        visit.open(f"/#/segmentation/{report['id']}")
        expect(visit.page.locator(".frame .remedy")).to_contain_text("hardware acceleration")
        visit.look("without-webgl")


def test_a_past_measurement_asks_for_its_own_volume(browser: Browser, service: Service, base: str) -> None:
    report = post(service.client, SPHERE, gestational_age_weeks=25.0).json()
    with visiting(browser, base, PHONE, scheme="dark", has_touch=True) as visit:
        visit.open(f"/#/segmentation/{report['id']}")
        wait_for_planes(visit)
        without = visit.planes()
        other = volume_bytes(sphere_volume(radius_mm=36.0), NiftiOptions(compress=True))
        visit.page.set_input_files("#own-file", {"name": "o.nii.gz", "mimeType": "", "buffer": other})
        expect(visit.page.locator(".problem")).to_contain_text("another file")
        visit.page.set_input_files("#own-file", {"name": "s.nii.gz", "mimeType": "", "buffer": SPHERE})
        expect(visit.page.locator(".own-file")).to_have_count(0)
        wait_until(visit, lambda: visit.planes() != without)
        visit.look("result-phone-dark", whole=True)
