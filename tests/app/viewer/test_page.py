"""The page as a whole: keys of both kinds, small screens, speed, and what is there without a browser or a bundle."""

import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, FileChooser, expect

from app.access.keys import KeyFile
from app.access.roles import Role
from app.imaging.nifti.file import encode_volume
from app.imaging.postprocess import head_volume_ml
from app.problems.catalogue import PROBLEMS
from model_store import packaged_store
from tests.app.viewer.browser import PAINT, PHONE, require_npm, visiting
from tests.app.viewer.gestures import SPHERE, change_ml, downloaded, layer, measure, tab_to, wait_for_planes, wait_until
from tests.helpers.makers import publish_threshold_model, sphere_ml
from tests.helpers.repository import ROOT
from tests.helpers.service import Service, running_service
from tests.helpers.service_process import ServiceProcess
from training.phantom import SimulationRequest, simulate

pytestmark = pytest.mark.slow

SOURCE = ROOT / "app/viewer/source"
PICTURE = (1180, 820)
"""Of docs/images/viewer.png, in pixels."""
SEEN_TIMEOUT_MS = 600_000


def test_the_pages_for_developers_fit_a_phone(browser: Browser, base: str) -> None:
    with visiting(browser, base, PHONE, is_mobile=True) as visit:
        for path, selector in {"/problems": "table", "/problems/no_spacing": "p", "/docs": ".opblock"}.items():
            visit.page.goto(base + path)
            visit.page.wait_for_selector(selector)
            assert visit.page.evaluate("innerWidth") == PHONE[0], path
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= PHONE[0], path


def test_pages_without_content_say_where_to_go(browser: Browser, base: str) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    with visiting(browser, base, expected=("404", "ERR_INTERNET_DISCONNECTED")) as visit:
        for address, words in {
            f"segmentation/{unknown}": "Look for it under Past measurements",
            "segmentation/anything": "Look for it under Past measurements",
            "subject/nobody": "Nothing has been measured for this subject",
        }.items():
            visit.open(f"/#/{address}")
            expect(visit.page.locator("main")).to_contain_text(words)
            visit.look(f"nothing-{address.partition('/')[0]}")
        visit.page.context.set_offline(True)
        visit.page.click("text=Past measurements")
        expect(visit.page.locator(".problem")).to_contain_text("Check your network")
        visit.look("unreachable")
        visit.page.context.set_offline(False)


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
        expect(dialog).to_contain_text("Please enter your access key")
        visit.look("key")
        visit.page.fill("#key", "wrong")
        visit.page.click("text=Use this key")
        expect(dialog).to_contain_text("not valid here")
        visit.page.fill("#key", key)
        visit.page.click("text=Use this key")
        expect(visit.page.locator(".empty")).to_contain_text("Nothing has been measured yet")
        visit.look("past-empty")
        visit.page.click("text=Measure a volume")
        measure(visit, SPHERE)
        expect(visit.page.locator("#volume")).to_have_text(re.compile(r"23[678]"))
        wait_for_planes(visit)
        assert downloaded(visit, "Mask (NIfTI)") == pytest.approx(sphere_ml(), rel=0.01)
        assert visit.page.evaluate("JSON.stringify(localStorage) + document.cookie") == "{}"


def test_somebody_whom_a_proxy_signed_in_is_asked_for_no_key(browser: Browser, tmp_path: Path) -> None:
    publish_threshold_model(tmp_path / "models")
    trusting: dict[str, Any] = {"trusted_user_header": "X-Forwarded-User", "trusted_proxies": "127.0.0.1"}
    with (
        running_service(tmp_path / "data", tmp_path / "models", **trusting) as service,
        visiting(browser, str(service.client.base_url).rstrip("/"), expected=("401",)) as visit,
    ):
        visit.page.set_extra_http_headers({"X-Forwarded-User": "anna.k@clinic.example"})
        visit.open()
        measure(visit, SPHERE)
        expect(visit.page.locator("#volume")).to_have_text(re.compile(r"23[678]"))
        assert visit.page.locator("dialog").count() == 0
        visit.page.route("**/volume?**", lambda route: route.fulfill(status=401, body="<h1>Sign in</h1>"))
        visit.page.click("text=Past measurements")
        expect(visit.page.locator(".problem")).to_contain_text("Reload this page and sign in again")
        assert visit.page.locator("dialog").count() == 0


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
        visit.page.keyboard.press("y")
        wait_until(visit, lambda: change_ml(visit) == erased)
        tab_to(visit, ".editing .primary", backwards=True)
        visit.page.keyboard.press("Enter")
        expect(visit.page.locator(".review-note").first).to_contain_text("Edited by anonymous")
        tab_to(visit, "#reason")
        visit.page.keyboard.type("too wide")
        visit.page.keyboard.press("Tab")
        visit.page.keyboard.press("Enter")
        expect(visit.page.locator(".recorded")).to_contain_text("too wide")
    (item,) = service.client.get("/volume", params={"subject": "S-030"}).json()["items"]
    assert item["decision"] == "edit"
    assert item["edited_volume_ml"] < item["head_volume_ml"]


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
    monkeypatch.setattr("app.api.routes.pages.VIEWER", tmp_path)
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


def test_the_page_takes_what_the_service_takes(service: Service) -> None:
    """What is typed is checked before a volume is sent; the service has the last word."""
    own = json.loads((SOURCE / "src/limits.json").read_text(encoding="utf-8"))
    body = service.client.get("/openapi.json").json()["paths"]["/segment"]["post"]["requestBody"]
    fields = body["content"]["multipart/form-data"]["schema"]["properties"]
    weeks, subject = fields["gestational_age_weeks"], fields["subject"]
    assert (own["weeks"], own["subject"]) == ([weeks["minimum"], weeks["maximum"]], subject["pattern"])


def test_no_remedy_on_the_page_speaks_of_requests() -> None:
    """A reader at the page has no headers to set and no paths to ask: the page says it in its own words."""
    own = json.loads((SOURCE / "src/remedies.json").read_text(encoding="utf-8"))
    assert set(own) <= set(PROBLEMS)
    for code, kind in PROBLEMS.items():
        remedy = own.get(code, kind.remedy)
        assert not re.search(r"Retry-After|Accept|Authorization|curl|[A-Z]+ /|/docs|field \w+_", remedy), (code, remedy)
