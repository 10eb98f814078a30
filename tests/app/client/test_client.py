"""The client against a real service over a real socket."""

import asyncio
import gzip
import inspect
import io
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from app.client import (
    AsyncFetalHead,
    FetalHead,
    NotFound,
    Overloaded,
    Result,
    Retries,
    ServiceUnreachable,
    VolumeRefused,
)
from app.contract.findings import Flag
from app.contract.service import Problem
from tests.helpers.makers import publish_threshold_model, sphere_ml, sphere_volume
from tests.helpers.service import Service, running_service, until

PERSISTENT = Retries(attempts=1000, longest_pause_s=0.1)


@pytest.fixture
def fetal_head(url: str) -> Iterator[FetalHead]:
    with FetalHead(url) as client:
        yield client


def image() -> nib.Nifti1Image:
    volume = sphere_volume()
    return nib.Nifti1Image(np.asarray(volume.data), volume.geometry.affine)


class TestSegment:
    def test_a_file_gives_mask_and_report(self, fetal_head: FetalHead, scan: Path) -> None:
        result = fetal_head.segment(scan, gestational_age_weeks=26, subject="S-1")
        assert result.report.head_volume_ml == pytest.approx(sphere_ml(), rel=0.01)
        assert (result.report.subject, result.report.gestational_age_weeks) == ("S-1", 26)
        source = nib.Nifti1Image.from_filename(scan)
        np.testing.assert_array_equal(result.mask.affine, source.affine)
        assert np.asarray(result.mask.dataobj).sum() * 8 / 1000 == pytest.approx(result.report.head_volume_ml, abs=0.01)

    def test_an_image_gives_what_its_file_gives(self, fetal_head: FetalHead, scan: Path) -> None:
        of_image, of_file = fetal_head.segment(image()), fetal_head.segment(str(scan))
        np.testing.assert_array_equal(np.asarray(of_image.mask.dataobj), np.asarray(of_file.mask.dataobj))

    @pytest.mark.parametrize("kind", [nib.Nifti2Image, nib.MGHImage])
    def test_other_kinds_of_image(self, fetal_head: FetalHead, kind: type[nib.Nifti1Image]) -> None:
        result = fetal_head.segment(kind(np.asarray(image().dataobj), image().affine))
        np.testing.assert_array_equal(result.mask.affine, image().affine)
        assert type(result.mask) is (nib.Nifti2Image if kind is nib.Nifti2Image else nib.Nifti1Image)

    def test_a_result_can_be_fetched_again_saved_and_erased(
        self, fetal_head: FetalHead, scan: Path, tmp_path: Path
    ) -> None:
        first = fetal_head.segment(scan)
        again = fetal_head.result(first.report.id)
        assert (again.report, again.mask_file, again.preview_png) == (
            first.report,
            first.mask_file,
            first.preview_png,
        )
        names = sorted(path.name for path in again.save(tmp_path / "saved").iterdir())
        assert names == ["mask.nii.gz", "preview.png", "report.json"]
        fetal_head.erase(first.report.id)
        with pytest.raises(NotFound, match="unknown_segmentation"):
            fetal_head.result(first.report.id)

    def test_after_a_review_mask_and_text_are_what_counts(self, fetal_head: FetalHead, scan: Path, url: str) -> None:
        measured = fetal_head.segment(scan)
        where = f"{url}/segmentations/{measured.report.id}"
        voxels = np.asarray(measured.mask.dataobj).copy()
        voxels[:, :, : voxels.shape[2] // 2] = 0
        edited = gzip.compress(nib.Nifti1Image(voxels, measured.mask.affine).to_bytes())
        volume_ml = httpx.put(f"{where}/mask", content=edited).json()["head_volume_ml"]
        httpx.post(f"{where}/decision", json={"decision": "edit", "reason": "neck cut off"})
        archived = Result.from_zip(fetal_head.content(f"/segmentations/{measured.report.id}/archive.zip"))
        for result in (fetal_head.result(measured.report.id), archived):
            assert str(result) == f"{volume_ml:.1f} mL, accepted as edited"
            np.testing.assert_array_equal(np.asarray(result.mask.dataobj), voxels)
        httpx.post(f"{where}/decision", json={"decision": "reject", "reason": "moved"})
        assert str(fetal_head.result(measured.report.id)) == "no volume: rejected"

    def test_what_was_measured_is_listed(self, fetal_head: FetalHead, scan: Path) -> None:
        measured = fetal_head.segment(scan, subject="listed")
        page = fetal_head.volumes(subject="listed", since=datetime(2020, 1, 1, tzinfo=UTC))
        assert [item.id for item in page.items] == [measured.report.id]
        assert fetal_head.volumes(subject="nobody").items == ()

    def test_models_and_readiness(self, fetal_head: FetalHead) -> None:
        assert [model.version for model in fetal_head.models().models] == [1]
        assert fetal_head.ready().runtime.provider == "CPUExecutionProvider"


class TestErrors:
    def test_a_file_that_is_no_volume(self, fetal_head: FetalHead) -> None:
        with pytest.raises(VolumeRefused) as caught:
            fetal_head.segment(b"no volume at all")
        assert (caught.value.code, caught.value.status) == ("not_nifti", 415)
        assert caught.value.problem.remedy
        assert caught.value.problem.remedy in str(caught.value)

    def test_a_field_that_cannot_be_used(self, fetal_head: FetalHead, scan: Path, url: str) -> None:
        with pytest.raises(VolumeRefused, match="subject") as refused:
            fetal_head.segment(scan, subject="Jane Doe")
        answered = httpx.post(f"{url}/segment", files={"volume": b"volume"}, data={"subject": "Jane Doe"})
        assert refused.value.problem == Problem.model_validate(answered.json())

    def test_a_file_that_is_not_there(self, fetal_head: FetalHead, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            fetal_head.segment(tmp_path / "missing.nii")

    @pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense"])
    def test_no_service(self, url: str) -> None:
        with FetalHead(url, retries=Retries(attempts=1)) as client, pytest.raises(ServiceUnreachable, match="GET "):
            client.ready()

    def test_something_that_is_not_the_service(self, url: str) -> None:
        with FetalHead(f"{url}/elsewhere") as client, pytest.raises(NotFound, match="not_found"):
            client.ready()

    def test_a_model_that_failed_is_not_waited_for(self, tmp_path: Path) -> None:
        folder = publish_threshold_model(tmp_path / "models")
        (folder / "context_level_1.onnx").write_bytes(b"altered")
        with (
            running_service(tmp_path / "data", tmp_path / "models", wait=False) as broken,
            FetalHead(str(broken.client.base_url)) as client,
            pytest.raises(Overloaded, match="model_failed"),
        ):
            client.ready()


class TestPatience:
    def test_a_full_queue_is_waited_for(self, service: Service, url: str, scan: Path) -> None:
        """The first upload holds the only place for as long as the service is busy."""
        with FetalHead(url, retries=PERSISTENT) as client, ThreadPoolExecutor() as pool:
            before = service.counted("fetalhead_rejected_total", reason="queue_full")
            with service.busy():
                held = httpx.post(f"{url}/segment", files=form(scan), headers={"Prefer": "respond-async"})
                assert held.status_code == 202
                waiting = pool.submit(client.segment, scan)
                until(lambda: service.counted("fetalhead_rejected_total", reason="queue_full") > before)
                with (
                    FetalHead(url, retries=Retries(attempts=1)) as other,
                    pytest.raises(Overloaded, match="queue_full"),
                ):
                    other.segment(scan)
            assert waiting.result(60).report.head_volume_ml is not None

    def test_a_late_result_is_fetched_where_the_service_says(self, tmp_path: Path, scan: Path) -> None:
        publish_threshold_model(tmp_path / "models")
        with (
            running_service(tmp_path / "data", tmp_path / "models", request_timeout_s=0.2) as slow,
            FetalHead(str(slow.client.base_url)) as client,
            ThreadPoolExecutor() as pool,
        ):
            late_ones = {"route": "/segment", "method": "POST", "status": "504"}
            with slow.busy():
                late = pool.submit(client.segment, scan)
                until(lambda: slow.counted("fetalhead_requests_total", **late_ones) == 1)
            assert late.result(60).report.head_volume_ml == pytest.approx(sphere_ml(), rel=0.01)


def test_an_upload_is_streamed(tmp_path: Path) -> None:
    """A file far larger than what the client may hold in memory is read by something that answers like a proxy."""
    large = tmp_path / "large.nii"
    with large.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    with listening() as (port, _), FetalHead(f"http://127.0.0.1:{port}") as client:
        tracemalloc.start()
        try:
            with pytest.raises(VolumeRefused, match="no_problem_document") as caught:
                client.segment(large)
            assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
        finally:
            tracemalloc.stop()
    assert caught.value.status == 413


class TestAsync:
    def test_many_at_a_time_give_what_one_gives(self, url: str, scan: Path) -> None:
        async def three() -> list[Result]:
            async with AsyncFetalHead(url, retries=PERSISTENT) as client:
                assert (await client.ready()).model.version == 1
                return await asyncio.gather(*(client.segment(scan) for _ in range(3)))

        results = asyncio.run(three())
        assert len({result.report.id for result in results}) == 3
        assert len({result.mask_file for result in results}) == 1

    def test_errors_are_the_same(self, url: str) -> None:
        async def ask(at: str) -> None:
            async with AsyncFetalHead(at, retries=Retries(attempts=1)) as client:
                await client.result("00000000-0000-0000-0000-000000000000")

        with pytest.raises(NotFound):
            asyncio.run(ask(url))
        with pytest.raises(ServiceUnreachable):
            asyncio.run(ask("http://127.0.0.1:9"))

    def test_the_methods_are_the_same(self) -> None:
        names = [name for name in vars(FetalHead) if name == "__init__" or not name.startswith("_")]
        assert len(names) >= 9
        for name in names:
            blocking, awaited = getattr(FetalHead, name), getattr(AsyncFetalHead, name)
            assert inspect.signature(awaited) == inspect.signature(blocking)
            assert awaited.__doc__ == blocking.__doc__


class TestNotebook:
    def test_the_picture(self, fetal_head: FetalHead, scan: Path) -> None:
        result = fetal_head.segment(scan)
        assert Image.open(io.BytesIO(result._repr_png_())).width > 1000
        assert repr(result) == f"<Result {result.report.id}: {result}>"
        assert len(repr([result])) < 120
        page = result._repr_html_()
        assert "data:image/png;base64," in page
        assert str(result) in page
        assert "Research use only" in page

    def test_flags_say_what_to_do_and_cannot_bring_their_own_markup(self, fetal_head: FetalHead, scan: Path) -> None:
        result = fetal_head.segment(scan)
        flag = Flag(code="soft_outline", detail="<script>", remedy="look at it")
        told = replace(result, report=result.report.model_copy(update={"flags": (flag,), "head_volume_ml": None}))
        assert "&lt;script&gt;" in told._repr_html_()
        assert "look at it" in told._repr_html_()
        assert "no volume: ok" in str(told)


def test_no_proxy_stands_between_a_machine_and_itself(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with FetalHead(url) as client:
        assert client.ready().model.version == 1
    elsewhere = "http://head.example"
    with (
        FetalHead(elsewhere, retries=Retries(attempts=1)) as client,
        pytest.raises(ServiceUnreachable, match="refused"),
    ):
        client.ready()


def test_the_key_is_sent(scan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FETALHEAD_API_KEY", "from-the-environment")
    for given, expected in ((None, "Bearer from-the-environment"), ("given", "Bearer given")):
        with listening() as (port, keys):
            monkeypatch.setenv("FETALHEAD_URL", f"http://127.0.0.1:{port}")
            with FetalHead(api_key=given) as client, pytest.raises(VolumeRefused):
                client.segment(scan)
        assert keys == [expected]


def form(scan: Path) -> dict[str, bytes]:
    return {"volume": scan.read_bytes()}


@contextmanager
def listening() -> Iterator[tuple[int, list[str]]]:
    """Something that reads a request to its end and answers as proxies do: 413, in HTML; its port, and the keys."""
    keys: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            keys.append(self.headers["Authorization"])
            left = int(self.headers["Content-Length"])
            while left > 0 and (chunk := self.rfile.read(min(left, 65536))):
                left -= len(chunk)
            self.send_response(413)
            self.end_headers()
            self.wfile.write(b"<html>too large</html>")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port, keys
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
