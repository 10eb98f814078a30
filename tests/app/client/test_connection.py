"""Whatever the environment says about proxies and certificates, and whatever answers instead of the service."""

import asyncio
import io
import zipfile
from collections.abc import Callable

import httpx
import pytest

from app.client import AsyncFetalHead, FetalHead, FetalHeadError, Retries, ServiceUnreachable, UnexpectedAnswer
from app.client.connection import find_proxy
from tests.app.client.scripted import answering

ID = "00000000-0000-4000-8000-000000000000"
ONCE = Retries(attempts=1)
ASKED: dict[str, Callable[[FetalHead], object]] = {
    "segment": lambda client: client.segment(b"a scan"),
    "result": lambda client: client.result(ID),
    "volumes": lambda client: client.volumes(),
    "erase": lambda client: client.erase(ID),
    "models": lambda client: client.models(),
    "activate": lambda client: client.activate(2),
    "ready": lambda client: client.ready(),
}


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def archive(**files: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as target:
        for name, held in files.items():
            target.writestr(name, held)
    return content.getvalue()


def garbled() -> httpx.Response:
    answer = httpx.Response(200, content=b"\xff\x00")
    answer.headers["Content-Encoding"] = "gzip"
    return answer


class TestWhatElseAnswers:
    @pytest.mark.parametrize("method", ASKED)
    @pytest.mark.parametrize(
        "answer",
        [
            httpx.Response(200, html="<!doctype html><title>Sign in</title>"),
            httpx.Response(200, text="OK"),
            httpx.Response(200, content=b""),
            httpx.Response(200, json=["up"]),
            httpx.Response(200, json={"status": "ok"}),
            httpx.Response(200, content=archive(page=b"<html>"), headers={"Content-Type": "application/zip"}),
            httpx.Response(200, content=b"PK\x03\x04", headers={"Content-Type": "application/zip"}),
            garbled(),
        ],
    )
    def test_is_told_from_the_service(self, method: str, answer: httpx.Response) -> None:
        with (
            answering([answer] * 3) as gate,
            FetalHead(gate.url, retries=ONCE) as client,
            pytest.raises(UnexpectedAnswer, match=r"127\.0\.0\.1.*\. Check that the URL is the service's"),
        ):
            ASKED[method](client)

    def test_is_told_from_a_file(self) -> None:
        with (
            answering([httpx.Response(200, html="<title>Sign in</title>")]) as gate,
            FetalHead(gate.url) as client,
            pytest.raises(UnexpectedAnswer, match="Sign in"),
        ):
            client.content(f"/segmentations/{ID}/mask")

    def test_is_told_with_asyncio(self) -> None:
        async def ask(url: str) -> None:
            async with AsyncFetalHead(url) as client:
                await client.ready()

        with (
            answering([httpx.Response(200, html="<title>Sign in</title>")]) as gate,
            pytest.raises(UnexpectedAnswer),
        ):
            asyncio.run(ask(gate.url))


class TestEnvironment:
    @pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "http_proxy"])
    @pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "htp://127.0.0.1", "http://[::1", "http://a:b:c", "://"])
    def test_a_proxy_that_cannot_be_used_is_told(self, name: str, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(name, proxy)
        with pytest.raises(ServiceUnreachable, match=r"HTTP_PROXY.*NO_PROXY") as caught:
            FetalHead("http://head.example", retries=ONCE).ready()
        assert "\n" not in str(caught.value)

    def test_a_proxy_that_does_not_answer_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "127.0.0.1:9")
        with pytest.raises(ServiceUnreachable, match="asked through the proxy of the environment"):
            FetalHead("http://head.example", retries=ONCE).ready()

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9", "http://127.8.0.1:9"]
    )
    @pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://[::1", "http://proxy:3128"])
    def test_none_is_asked_for_this_machine(self, url: str, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        assert find_proxy(httpx.URL(url)) is None
        FetalHead(url).close()

    @pytest.mark.parametrize(
        ("exempt", "asked"),
        [("", True), ("localhost,[::1]", True), ("fd07:b51a:cc66:f0::/64", True), ("head.example", False),
         (".example, x", False), ("*", False), ("head.example:8000", False)],
    )  # fmt: skip
    def test_no_proxy_is_read_whatever_it_holds(
        self, exempt: str, asked: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NO_PROXY", exempt)
        monkeypatch.setenv("ALL_PROXY", "proxy:3128")
        assert find_proxy(httpx.URL("http://head.example:8000")) == ("http://proxy:3128" if asked else None)
        FetalHead("http://head.example:8000").close()

    def test_certificates_that_are_not_there_are_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file.pem")
        with pytest.raises(ServiceUnreachable, match="SSL_CERT_FILE"):
            FetalHead("https://head.example")


@pytest.mark.parametrize(
    "url", ["nonsense", "http://", "http://host:port", "http://[::1", "ftp://head.example", f"http://{'a' * 80}"]
)
def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(ServiceUnreachable):
        FetalHead(url, retries=ONCE).ready()


@pytest.mark.parametrize("key", ["schlüssel", "two\nlines", "胎"])
def test_what_is_no_key_is_not_repeated(key: str) -> None:
    with pytest.raises(FetalHeadError, match="API key") as caught:
        FetalHead(api_key=key)
    assert key not in str(caught.value)
