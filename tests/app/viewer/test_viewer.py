import base64
import gzip
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from playwright.sync_api import Browser, FileChooser, expect

from app.access.keys import KeyFile
from app.access.roles import Role
from app.api.problems import PROBLEMS
from app.imaging.nifti import encode_volume
from app.imaging.postprocess import head_volume_ml
from model_store import packaged_store
from tests.app.api.service import Service, post, running_service
from tests.app.viewer.browser import DROP, PAINT, PHONE, Visit, require_npm, running_browser, visiting
from tests.makers import NiftiOptions, nifti_bytes, publish_threshold_model, sphere_ml, sphere_volume, volume_bytes
from tests.service_process import ServiceProcess
from training.phantom import SimulationRequest, simulate

SPHERE = volume_bytes(sphere_volume(), NiftiOptions(compress=True))
SLANTED = nifti_bytes(
    np.asarray(sphere_volume().data).transpose(2, 0, 1)[:, ::-1],
    np.array([[0, 0.4, -1.96, 10], [-2, 0, 0, 5], [0, 1.96, 0.4, -20], [0, 0, 0, 1.0]]),
    NiftiOptions(compress=True),
)
"""The sphere stored in another order and turned in space: what is drawn must come back where it was drawn."""
BARE = volume_bytes(sphere_volume(), NiftiOptions(sform_code=0, qform_code=0, edits={"pixdim": [0.0] * 8}))
"""The sphere in a file that does not say how large its voxels are."""
PLACEHOLDER = nifti_bytes(np.asarray(sphere_volume().data), np.eye(4), NiftiOptions(compress=True))
"""The sphere in a file whose header says 1 mm along each axis, as programs write that know no spacing."""
SOURCE = Path(__file__).resolve().parents[3] / "app/viewer/source"
PICTURE = (1180, 820)
"""Of docs/images/viewer.png, in pixels."""
MINUS = "\N{MINUS SIGN}"
SEEN_TIMEOUT_MS = 600_000
HOSTILE = "<img src=x onerror=alert(1)>.nii.gz"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of this module alone: its event loop must not be running while other tests start theirs."""
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("viewer")
    publish_threshold_model(folder / "models")
    with running_service(folder / "data", folder / "models") as service:
        yield service


@pytest.fixture(scope="module")
def base(service: Service) -> str:
    return str(service.client.base_url).rstrip("/")


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
        expect(visit.page.locator(".legend")).to_contain_text("Probability of head")
        layer(visit, "disagreement")
        expect(visit.page.locator(".legend")).to_contain_text("Difference between the two passes")
        visit.look("disagreement-light")
        assert downloaded(visit, "Mask") == pytest.approx(sphere_ml(), rel=0.01)
        with visit.page.expect_download() as page_about_it:
            visit.page.click("button:text-is('Page, PDF')")
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
        expect(visit.page.locator(".empty")).to_contain_text("Nothing fits")
        visit.look("past-nothing-fits")


def test_repeated_scans_are_compared_in_the_page(browser: Browser, service: Service, base: str) -> None:
    for radius_mm in (38.0, 39.0, 38.5, 38.2):
        content = volume_bytes(sphere_volume(radius_mm=radius_mm), NiftiOptions(compress=True))
        post(service.client, content, subject="S-020", gestational_age_weeks=25.0)
    with visiting(browser, base, scheme="dark") as visit:
        visit.open("/#/subject/S-020")
        caption = visit.page.locator(".repeats figcaption")
        expect(caption).to_contain_text("3 pairs of scans")
        expect(caption).to_contain_text("95 % limits of agreement")
        assert visit.page.locator(".repeats circle.point").count() == 3
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
        visit.page.click("text=Undo")
        wait_until(visit, lambda: change_ml(visit) == once)
        visit.page.click("text=Smart fill")
        wait_until(visit, lambda: change_ml(visit) == filled)
        visit.page.click("text=Save the mask")
        edited = report["head_volume_ml"] + filled
        expect(visit.page.locator("#edited")).to_contain_text(f"Edited: {edited:.0f} mL")
        visit.page.click("text=Record the decision")
        expect(visit.page.locator(".decision .problem")).to_contain_text("A reason is missing")
        visit.look("undecided-light")
        visit.page.fill("#reason", "<b>the scalp</b> was cut")
        visit.page.click("text=Record the decision")
        expect(visit.page.locator(".recorded")).to_contain_text("<b>the scalp</b> was cut")
        assert visit.page.locator(".recorded b").count() == 0
        visit.look("decided-light")
        assert downloaded(visit, "Mask") == pytest.approx(edited, abs=0.1)
        visit.page.goto(f"{base}/#/past")
        expect(visit.page.locator("tbody tr", has_text="S-018")).to_contain_text("edited")
    stored = service.client.get(f"/segmentations/{report['id']}").json()["review"]
    assert stored["edit"]["head_volume_ml"] == pytest.approx(edited, abs=0.1)
    changed = mask_of(service, report, "original") != mask_of(service, report, "edited")
    assert changed.any()
    assert not (changed & (mask_of(service, report, "original") == 0)).any(), "erased only, so the grid was not turned"
    assert_fades(changed)


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
        expect(visit.page.locator("#edited")).to_have_text(re.compile(r"Edited: 23[678] mL"))


def test_a_placeholder_for_the_voxel_size_is_measured_again_with_the_true_one(browser: Browser, base: str) -> None:
    with visiting(browser, base, expected=("pixDims",)) as visit:
        visit.open()
        visit.page.fill("#weeks", "26+3")
        visit.page.fill("#subject", "S-047")
        measure(visit, PLACEHOLDER)
        flag = visit.page.locator(".flags li", has_text="The spacing is most likely a placeholder")
        expect(flag).to_contain_text("Measure it again with its voxel size, even if that is 1 mm")
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
        expect(visit.page.locator(".flags")).to_contain_text("The spacing came with the request")
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
        for name, words in {"weeks": "Write 26+4 or 26.6", "subject": "Write a pseudonym"}.items():
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


def test_a_good_measurement_with_a_note_does_not_say_that_all_is_well(
    browser: Browser, service: Service, base: str
) -> None:
    report = post(service.client, BARE, subject="S-043", spacing_mm="2,2,2").json()
    assert (report["verdict"], [flag["code"] for flag in report["flags"]]) == ("ok", ["spacing_supplied"])
    with visiting(browser, base, expected=("pixDims",), scheme="light") as visit:
        visit.open(f"/#/segmentation/{report['id']}")
        expect(visit.page.locator(".verdict.ok h2")).to_have_text("Measured, with a note")
        expect(visit.page.locator(".verdict")).not_to_contain_text("Every check passed")
        wait_for_planes(visit)
        visit.look("with-a-note-light")
        visit.page.goto(f"{base}/#/past")
        expect(visit.page.locator("tbody tr", has_text="S-043")).to_contain_text("with a note")


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


def test_the_pages_for_developers_fit_a_phone(browser: Browser, base: str) -> None:
    with visiting(browser, base, PHONE, is_mobile=True) as visit:
        for path, selector in {"/problems": "table", "/problems/no_spacing": "p", "/docs": ".opblock"}.items():
            visit.page.goto(base + path)
            visit.page.wait_for_selector(selector)
            assert visit.page.evaluate("innerWidth") == PHONE[0], path
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= PHONE[0], path


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


def test_pages_without_content_say_where_to_go(browser: Browser, base: str) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    with visiting(browser, base, expected=("404", "ERR_INTERNET_DISCONNECTED")) as visit:
        for address, words in {
            f"segmentation/{unknown}": "Look for it under Past measurements",
            "segmentation/anything": "Look for it under Past measurements",
            "subject/nobody": "Nothing was measured for this subject",
        }.items():
            visit.open(f"/#/{address}")
            expect(visit.page.locator("main")).to_contain_text(words)
            visit.look(f"nothing-{address.partition('/')[0]}")
        visit.page.context.set_offline(True)
        visit.page.click("text=Past measurements")
        expect(visit.page.locator(".problem")).to_contain_text("Check that the service runs")
        visit.look("unreachable")
        visit.page.context.set_offline(False)


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


def test_a_service_with_keys_is_asked_with_the_key_of_this_tab(browser: Browser, tmp_path: Path) -> None:
    publish_threshold_model(tmp_path / "models")
    file = KeyFile(tmp_path / "keys")
    key = file.add("sonographer", Role.OPERATOR)
    with (
        running_service(tmp_path / "data", tmp_path / "models", api_keys_file=file.path) as service,
        visiting(browser, str(service.client.base_url).rstrip("/"), expected=("401",)) as visit,
    ):
        visit.open("/#/past")
        dialog = visit.page.locator("dialog")
        expect(dialog).to_contain_text("asks for a key")
        visit.look("key")
        visit.page.fill("#key", "wrong")
        visit.page.click("text=Use this key")
        expect(visit.page.locator("#key")).to_have_value("")
        visit.page.fill("#key", key)
        visit.page.click("text=Use this key")
        expect(visit.page.locator(".empty")).to_contain_text("Nothing was measured yet")
        visit.look("past-empty")
        visit.page.click("text=Measure a volume")
        measure(visit, SPHERE)
        expect(visit.page.locator("#volume")).to_have_text(re.compile(r"23[678]"))
        wait_for_planes(visit)
        assert downloaded(visit, "Mask") == pytest.approx(sphere_ml(), rel=0.01)
        assert visit.page.evaluate("JSON.stringify(localStorage) + document.cookie") == "{}"


def test_everything_can_be_done_by_keys(browser: Browser, service: Service, base: str) -> None:
    choosers: list[FileChooser] = []
    with visiting(browser, base) as visit:
        visit.page.on("filechooser", lambda chooser: choosers.append(chooser))  # noqa: PLW0108  # a builtin takes no marks
        visit.open()
        tab_to(visit, ".drop button")
        visit.page.keyboard.press("Enter")
        wait_until(visit, lambda: choosers)
        choosers[0].set_files({"name": "s.nii.gz", "mimeType": "", "buffer": SPHERE})
        tab_to(visit, "#subject")
        visit.page.keyboard.type("S-030")
        tab_to(visit, ".measure-button")
        visit.page.keyboard.press("Enter")
        wait_for_planes(visit)
        tab_to(visit, ".editing button")
        visit.page.keyboard.press("Enter")
        tab_to(visit, "#pen")
        visit.page.keyboard.press("End")
        tab_to(visit, ".tile.planes canvas")
        before = {name: int(visit.page.input_value(f"#plane-{name}")) for name in "ABC"}
        for key in ("PageUp", "ArrowUp", "ArrowLeft"):
            visit.page.keyboard.press(key)
        after = {name: int(visit.page.input_value(f"#plane-{name}")) for name in "ABC"}
        assert {name: after[name] - before[name] for name in "ABC"} == {"A": 1, "B": 1, "C": -1}
        for key in ("e", "Space"):
            visit.page.keyboard.press(key)
        wait_until(visit, lambda: change_ml(visit) < 0)
        erased = change_ml(visit)
        visit.page.keyboard.press("f")
        wait_until(visit, lambda: change_ml(visit) < erased)
        visit.page.keyboard.press("z")
        wait_until(visit, lambda: change_ml(visit) == erased)
        visit.page.keyboard.press("z")
        wait_until(visit, lambda: change_ml(visit) == 0)
        visit.page.keyboard.press("Space")
        tab_to(visit, ".editing .primary", backwards=True)
        visit.page.keyboard.press("Enter")
        expect(visit.page.locator("#edited")).to_contain_text("Edited")
        tab_to(visit, "#reason")
        visit.page.keyboard.type("too wide")
        visit.page.keyboard.press("Tab")
        visit.page.keyboard.press("Enter")
        expect(visit.page.locator(".recorded")).to_contain_text("too wide")
    (item,) = service.client.get("/volume", params={"subject": "S-030"}).json()["items"]
    assert item["decision"] == "edit"
    assert item["edited_volume_ml"] < item["head_volume_ml"]


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


def test_the_page_paints_soon(browser: Browser, base: str, capsys: pytest.CaptureFixture[str]) -> None:
    with visiting(browser, base) as visit:
        visit.open()
        visit.open("/?again")
        paint_ms = visit.page.evaluate(PAINT)
        with capsys.disabled():
            print(f"\nviewer: first paint after {paint_ms:.0f} ms on loopback")
        assert 0 < paint_ms < 20_000, "a page that waits for the planes' code would take far longer"


def test_from_start_to_a_seen_result(browser: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The served model and a simulated patient; SEEN_SPACING gives the voxels' size in mm, 0.38 is native size."""
    patient = simulate(SimulationRequest(seed=7, spacing=float(os.environ.get("SEEN_SPACING", "0.8"))))
    began, times = time.monotonic(), {}
    with ServiceProcess(
        tmp_path, {"MODEL_STORE": str(packaged_store()), "THREADS": "0", "PROVIDER": "auto"}
    ) as service:
        times["service"] = time.monotonic() - began
        with visiting(browser, service.url, PICTURE) as visit:
            visit.open()
            visit.page.fill("#weeks", f"{patient.record.gestational_age_weeks:.2f}")
            visit.page.fill("#subject", "S-018")
            measure(visit, encode_volume(patient.volume))
            times["page"] = time.monotonic() - began
            visit.page.wait_for_selector("#volume", timeout=SEEN_TIMEOUT_MS)
            times["number"] = time.monotonic() - began
            measured = float(visit.page.inner_text("#volume").split()[0])
            visit.page.wait_for_selector(".frame[data-ready]", state="attached", timeout=SEEN_TIMEOUT_MS)
            times["planes"] = time.monotonic() - began
            visit.page.fill("#opacity", "30")
            layer(visit, "filled")
            visit.picture("viewer")
        service.terminate()
    assert measured == pytest.approx(head_volume_ml(patient.truth.data, patient.truth.geometry), rel=0.25)
    with capsys.disabled():
        print("\nviewer: " + ", ".join(f"{name} after {seconds:.1f} s" for name, seconds in times.items()))


def test_the_parts_that_need_no_browser() -> None:
    """Surface and smart fill, by Node's own test runner."""
    command = [require_npm(), "test", "--prefix", str(SOURCE)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr


def test_without_its_bundle_the_page_says_how_to_get_it_and_measures(
    browser: Browser, base: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("app.api.pages.VIEWER", tmp_path)
    with visiting(browser, base, expected=("415",)) as visit:
        visit.open()
        expect(visit.page.locator("main")).to_contain_text("make viewer")
        visit.page.set_input_files("[name=volume]", {"name": "x.nii", "mimeType": "", "buffer": b"no volume"})
        visit.page.click("form button")
        expect(visit.page.locator("#result")).to_contain_text("Convert the scan to NIfTI")
        visit.look("without-node-error", whole=True)
        visit.page.set_input_files("[name=volume]", {"name": "s.nii.gz", "mimeType": "", "buffer": SPHERE})
        visit.page.fill("[name=gestational_age_weeks]", "26+3")
        visit.page.click("form button")
        expect(visit.page.locator("#headline")).to_contain_text(re.compile(r"23[678]"))
        expect(visit.page.locator("#preview")).to_be_visible()
        with visit.page.expect_response("**/segmentations/*") as answer:
            visit.page.click("#report")
        assert answer.value.json()["gestational_age_weeks"] == 26.43
        visit.page.go_back()
        visit.look("without-node", whole=True)


def test_no_remedy_on_the_page_speaks_of_requests() -> None:
    """A reader at the page has no headers to set and no paths to ask: the page says it in its own words."""
    own = json.loads((SOURCE / "src/remedies.json").read_text(encoding="utf-8"))
    assert set(own) <= set(PROBLEMS)
    for code, kind in PROBLEMS.items():
        remedy = own.get(code, kind.remedy)
        assert not re.search(r"Retry-After|Accept|Authorization|curl|[A-Z]+ /|/docs|field \w+_", remedy), (code, remedy)


def stroke(visit: Visit) -> None:
    """Draws across the middle of plane A."""
    box = visit.page.locator(".tile.planes").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 4
    visit.page.mouse.move(x - 25, y)
    visit.page.mouse.down()
    visit.page.mouse.move(x + 25, y + 5, steps=6)
    visit.page.mouse.up()
    visit.page.wait_for_timeout(300)


def assert_fades(changed: np.ndarray[Any, Any]) -> None:
    """The edit of one slice goes on to its neighbours within 10 mm (of 2 mm each), the less the further away."""
    along = min(range(3), key=lambda axis: np.count_nonzero(per_slice(changed, axis)))
    areas = per_slice(changed, along)
    (touched,) = np.nonzero(areas)
    middle = int(areas.argmax())
    assert middle - 5 < touched[0] < middle < touched[-1] < middle + 5
    assert (np.diff(areas[touched[0] : middle + 1]) >= 0).all()
    assert (np.diff(areas[middle : touched[-1] + 1]) <= 0).all()


def per_slice(changed: np.ndarray[Any, Any], axis: int) -> np.ndarray[Any, Any]:
    return np.asarray(np.count_nonzero(changed, axis=tuple(other for other in range(3) if other != axis)))


def change_ml(visit: Visit) -> float:
    """What the edits change the volume by, mL."""
    text = visit.page.locator(".edited-volume").inner_text().replace(MINUS, "-").replace("as measured", "+0.0")
    found = re.search(r"\(([+-][\d.]+)\)", text)
    assert found is not None, text
    return float(found[1])


def mask_of(service: Service, report: dict[str, Any], version: str) -> np.ndarray[Any, Any]:
    content = service.client.get(report["mask"], params={"version": version}).content
    return np.asarray(nib.Nifti1Image.from_bytes(gzip.decompress(content)).dataobj)


def tab_to(visit: Visit, selector: str, backwards: bool = False) -> None:
    """Presses the Tab key until the element has the focus, as somebody without a mouse does."""
    for _ in range(60):
        if visit.page.evaluate("(selector) => document.activeElement?.matches(selector) ?? false", selector):
            return
        visit.page.keyboard.press("Shift+Tab" if backwards else "Tab")
    pytest.fail(f"no key leads to {selector}")


def drop(visit: Visit, content: bytes, name: str = "volume.nii.gz") -> None:
    visit.page.wait_for_selector(".drop")
    visit.page.evaluate(DROP, [base64.b64encode(content).decode(), name])


def measure(visit: Visit, content: bytes, name: str = "volume.nii.gz") -> None:
    """Drops a volume and sends it."""
    drop(visit, content, name)
    visit.page.click(".measure-button")


def wait_for_planes(visit: Visit) -> None:
    visit.page.wait_for_selector(".frame[data-ready]", state="attached")
    visit.page.wait_for_timeout(300)


def layer(visit: Visit, name: str) -> bytes:
    visit.page.check(f"input[name=layer][value={name}]", force=True)
    visit.page.wait_for_timeout(700)
    return visit.planes()


def downloaded(visit: Visit, button: str) -> float:
    """The volume, in mL, of the mask that a button downloads."""
    with visit.page.expect_download() as download:
        visit.page.click(f"button:text-is('{button}')")
    content = Path(download.value.path()).read_bytes()
    mask = nib.Nifti1Image.from_bytes(gzip.decompress(content))
    return float(np.asarray(mask.dataobj).sum() * abs(np.linalg.det(mask.affine)) / 1000)


def wait_until(visit: Visit, condition: object) -> None:
    assert callable(condition)
    for _ in range(100):
        if condition():
            return
        visit.page.wait_for_timeout(100)
    pytest.fail("waited too long")
