"""What a reader does at the page, the volumes for it, and what comes of it."""

import base64
import gzip
import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from playwright.sync_api import Dialog, expect

from tests.app.viewer.browser import DROP, Visit
from tests.helpers.makers import NiftiOptions, nifti_bytes, sphere_volume, volume_bytes
from tests.helpers.service import Service

SPHERE = volume_bytes(sphere_volume(), NiftiOptions(compress=True))
SLANTED = nifti_bytes(
    np.asarray(sphere_volume().data).transpose(2, 0, 1)[:, ::-1],
    np.array([[0, 0.4, -1.96, 10], [-2, 0, 0, 5], [0, 1.96, 0.4, -20], [0, 0, 0, 1.0]]),
    NiftiOptions(compress=True),
)
"""The sphere stored in another order and turned in space: what is drawn must come back where it was drawn."""
BARE = volume_bytes(sphere_volume(), NiftiOptions(sform_code=0, qform_code=0, edits={"pixdim": [0.0] * 8}))
"""The sphere in a file that does not say how large its voxels are."""
MAPS = {"probability": "Probability of head", "disagreement": "Difference between the two passes"}
"""What the legend of a map says."""
MINUS = "\N{MINUS SIGN}"


def stroke(visit: Visit) -> None:
    """Draws across the middle of plane A."""
    box = visit.page.locator(".tile.planes").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 4
    visit.page.mouse.move(x - 25, y)
    visit.page.mouse.down()
    visit.page.mouse.move(x + 25, y + 5, steps=6)
    visit.page.mouse.up()
    visit.settle()


def _refuse_questions(visit: Visit) -> list[str]:
    """Answers every question of the page with no from now on; gives the questions."""
    asked: list[str] = []

    def refuse(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    visit.page.on("dialog", refuse)
    return asked


def assert_edits_are_not_lost_unasked(visit: Visit, change: float) -> None:
    """Tries to leave, and to discard: both ask, and the answer no keeps the edits."""
    asked, address = _refuse_questions(visit), visit.page.url
    for place in ("text=Past measurements", "text=Discard"):
        visit.page.click(place)
        visit.settle()
    assert asked == ["Leave without saving your edits to the mask?", "Discard your edits to the mask?"]
    assert (change_ml(visit), visit.page.url) == (change, address)


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
    visit.settle()


def layer(visit: Visit, name: str) -> bytes:
    """What the planes show with this layer; a map is there when its legend is."""
    visit.page.check(f"input[name=layer][value={name}]", force=True)
    if name in MAPS:
        expect(visit.page.locator(".legend")).to_contain_text(MAPS[name])
    return visit.settle()


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
