import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.access.errors import UnprotectedError
from app.access.keys import KeyFile
from app.access.roles import Role
from app.main import create_app
from app.settings import Settings
from tests.app.access.issuer import AUDIENCE, running_issuer
from tests.helpers.service import Service, assert_problem, post, running_service, until

PAGES = ("/", "/docs", "/problems", "/problems/not_found", "/static/page.css", "/openapi.json")
USER_HEADER = "X-Forwarded-User"
CLOSED = ("/volume", "/models", "/models/1", "/metrics", "/segmentations/x", "/not-there", "/health", "/docs/../volume")


@dataclass(frozen=True)
class Guarded:
    service: Service
    file: KeyFile
    keys: dict[str, str]

    def headers(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[name]}"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, model_store: Path) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    file = KeyFile(folder / "keys")
    roles = {"reader": Role.READER, "operator": Role.OPERATOR, "other": Role.OPERATOR, "admin": Role.ADMIN}
    keys = {name: file.add(name, role) for name, role in roles.items()}
    with running_service(folder / "data", model_store, api_keys_file=file.path) as service:
        yield Guarded(service, file, keys)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory, model_store: Path) -> Iterator[Guarded]:
    """A service that trusts the proxy on this machine."""
    folder = tmp_path_factory.mktemp("behind")
    file = KeyFile(folder / "keys")
    keys = {"admin": file.add("admin", Role.ADMIN)}
    settings: dict[str, Any] = {"trusted_user_header": USER_HEADER, "trusted_proxies": "127.0.0.1"}
    with running_service(folder / "data", model_store, api_keys_file=file.path, **settings) as service:
        yield Guarded(service, file, keys)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, model_store: Path) -> Iterator[httpx.Client]:
    """A client of a service whose only trusted proxy is another machine."""
    settings: dict[str, Any] = {"trusted_user_header": USER_HEADER, "trusted_proxies": "192.0.2.0/24"}
    with running_service(tmp_path_factory.mktemp("elsewhere"), model_store, **settings) as service:
        yield service.client


def told_of(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, Any]]:
    return [record.__dict__["fields"] for record in caplog.records if record.message == message]


class TestTheLog:
    def test_a_refused_request_is_told_with_route_address_and_identifier(
        self, guarded: Guarded, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", "fetalhead.requests")
        guarded.service.client.get("/segmentations/x", headers={"X-Request-ID": "r-1"})
        reader = guarded.headers("reader") | {"X-Request-ID": "r-2"}
        guarded.service.client.put("/models/active", json={"version": 1}, headers=reader)
        until(lambda: len(told_of(caplog, "refused")) == 2)
        told = told_of(caplog, "refused")
        said = [(one["request"], one["status"], one["route"], one["caller"], one["address"]) for one in told]
        assert said == [
            ("r-1", 401, "/segmentations/{segmentation_id}", None, "127.0.0.1"),
            ("r-2", 403, "/models/active", "reader", "127.0.0.1"),
        ]

    @pytest.mark.parametrize("forwarded", ["a name, or more", "y" * 5000, "fe80::1%Anna", "10.0.0.7:80"])
    def test_no_address_is_taken_from_a_header_that_holds_none(
        self, guarded: Guarded, caplog: pytest.LogCaptureFixture, forwarded: str
    ) -> None:
        caplog.set_level("INFO", "fetalhead.requests")
        guarded.service.client.get("/models", headers={"X-Forwarded-For": forwarded})
        until(lambda: len(told_of(caplog, "refused")) == 1)
        assert told_of(caplog, "refused")[0]["address"] in ("127.0.0.1", "10.0.0.7")

    def test_a_served_request_is_told_without_its_address(
        self, guarded: Guarded, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", "fetalhead.requests")
        guarded.service.client.get("/models", headers=guarded.headers("reader"))
        until(lambda: len(told_of(caplog, "request")) == 1)
        (told,) = told_of(caplog, "request")
        assert "address" not in told


class TestProbes:
    @pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
    @pytest.mark.parametrize("host", ["10.0.0.7:8000", "service", "[::1]:8000"])
    def test_they_may_name_any_host(self, shared_client: httpx.Client, path: str, host: str) -> None:
        assert shared_client.get(path, headers={"Host": host}).status_code == 200

    def test_they_may_name_none(self, shared_client: httpx.Client) -> None:
        where = (shared_client.base_url.host, shared_client.base_url.port or 80)
        with socket.create_connection(where) as connection:
            connection.sendall(b"GET /health/live HTTP/1.0\r\n\r\n")
            assert connection.recv(100).split(b"\r\n")[0].endswith(b"200 OK")


class TestWithoutAKey:
    @pytest.mark.parametrize("path", [*PAGES, "/health/live", "/health/ready"])
    def test_what_shows_no_measurement_is_open(self, guarded: Guarded, path: str) -> None:
        assert guarded.service.client.get(path).status_code == 200

    @pytest.mark.parametrize("path", CLOSED)
    def test_everything_else_is_closed(self, guarded: Guarded, path: str) -> None:
        answer = guarded.service.client.get(path)
        assert_problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
    @pytest.mark.parametrize("path", ["/", "/segment", "/health/live", "/static/page.css"])
    def test_nothing_can_be_changed(self, guarded: Guarded, method: str, path: str) -> None:
        assert_problem(guarded.service.client.request(method, path), 401, "unauthenticated")

    def test_a_volume_is_refused_before_it_is_read(self, guarded: Guarded, sphere: bytes) -> None:
        assert_problem(post(guarded.service.client, sphere), 401, "unauthenticated")
        assert guarded.service.client.get("/volume", headers=guarded.headers("reader")).json()["items"] == []

    @pytest.mark.parametrize(
        "headers",
        [
            {"Authorization": "Bearer fetalhead_wrong"},
            {"Authorization": "Basic dXNlcjpwYXNz"},
            {"Authorization": "Bearer"},
            {"X-API-Key": ""},
            {"X-API-Key": "fetalhead_"},
            {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
        ],
    )
    def test_a_key_that_is_none(self, guarded: Guarded, headers: dict[str, str]) -> None:
        assert_problem(guarded.service.client.get("/volume", headers=headers), 401, "unauthenticated")


class TestRoles:
    def test_a_key_comes_in_either_header(self, guarded: Guarded) -> None:
        client = guarded.service.client
        assert client.get("/volume", headers=guarded.headers("reader")).status_code == 200
        assert client.get("/volume", headers={"X-API-Key": guarded.keys["reader"]}).status_code == 200

    def test_readers_read_only(self, guarded: Guarded, sphere: bytes) -> None:
        body = assert_problem(post(guarded.service.client, sphere, guarded.headers("reader")), 403, "forbidden")
        assert (body["expected"], body["got"]) == ("the role operator", "the role reader")

    def test_operators_measure_and_erase_their_own(self, guarded: Guarded, sphere: bytes) -> None:
        client = guarded.service.client
        path = post(client, sphere, guarded.headers("operator")).headers["location"]
        assert client.get(path, headers=guarded.headers("reader")).status_code == 200
        assert_problem(client.delete(path, headers=guarded.headers("other")), 403, "forbidden")
        assert client.delete(path, headers=guarded.headers("operator")).status_code == 204

    def test_admins_erase_what_is_anybodys(self, guarded: Guarded, sphere: bytes) -> None:
        client = guarded.service.client
        path = post(client, sphere, guarded.headers("operator")).headers["location"]
        assert client.delete(path, headers=guarded.headers("admin")).status_code == 204

    def test_only_admins_reach_what_changes_the_model(self, guarded: Guarded) -> None:
        client = guarded.service.client
        assert_problem(client.put("/models/active", headers=guarded.headers("operator")), 403, "forbidden")
        assert client.put("/models/active", headers=guarded.headers("admin")).status_code not in (401, 403)

    def test_one_callers_idempotency_key_is_not_anothers(self, guarded: Guarded, sphere: bytes) -> None:
        client, key = guarded.service.client, {"Idempotency-Key": "same"}
        first = post(client, sphere, guarded.headers("operator") | key).json()
        assert post(client, sphere, guarded.headers("operator") | key).json() == first
        assert post(client, sphere, guarded.headers("other") | key).json()["id"] != first["id"]

    def test_a_key_made_while_it_runs_opens_and_a_revoked_one_does_not(self, guarded: Guarded) -> None:
        client = guarded.service.client
        headers = {"X-API-Key": guarded.file.add("late", Role.READER)}
        assert client.get("/volume", headers=headers).status_code == 200
        guarded.file.revoke("late")
        assert client.get("/volume", headers=headers).status_code == 401


class TestTokens:
    def test_a_token_of_the_issuer_opens(self, tmp_path: Path, model_store: Path, sphere: bytes) -> None:
        with (
            running_issuer() as issuer,
            running_service(tmp_path, model_store, oidc_issuer=issuer.url, oidc_audience=AUDIENCE) as service,
        ):

            def send(token: str) -> httpx.Response:
                return post(service.client, sphere, {"Authorization": f"Bearer {token}"})

            assert send(issuer.token()).status_code == 200
            assert_problem(send(issuer.token(aud="another")), 401, "unauthenticated")
            assert_problem(send(issuer.token(roles=["fetalhead-reader"])), 403, "forbidden")
            assert_problem(send(issuer.token(roles=[])), 403, "forbidden")

    def test_an_issuer_that_is_away(self, tmp_path: Path, model_store: Path) -> None:
        with running_issuer() as issuer:
            token = issuer.token()
        with running_service(tmp_path, model_store, oidc_issuer=issuer.url, oidc_audience=AUDIENCE) as service:
            answer = service.client.get("/volume", headers={"Authorization": f"Bearer {token}"})
            assert_problem(answer, 503, "identity_provider_unreachable")
            assert answer.headers["retry-after"]


class TestPeopleOfAProxy:
    def test_decisions_carry_the_person(self, behind: Guarded, sphere: bytes) -> None:
        client, anna = behind.service.client, {USER_HEADER: "anna.k@clinic.example"}
        path = post(client, sphere, anna).headers["location"]
        answer = client.post(f"{path}/decision", json={"decision": "accept"}, headers=anna)
        assert answer.json()["by"] == "anna.k@clinic.example"
        assert_problem(client.delete(path, headers={USER_HEADER: "ben"}), 403, "forbidden")
        assert_problem(client.delete("/subjects/S-1", headers=anna), 403, "forbidden")
        assert client.delete(path, headers=anna).status_code == 204

    def test_keys_still_open_without_the_header(self, behind: Guarded) -> None:
        client = behind.service.client
        assert client.delete("/subjects/S-1", headers=behind.headers("admin")).status_code == 200
        assert_problem(client.get("/volume"), 401, "unauthenticated")

    def test_two_names_are_none(self, behind: Guarded) -> None:
        both = [(USER_HEADER, "anna"), (USER_HEADER, "ben")]
        assert_problem(behind.service.client.get("/volume", headers=both), 401, "unauthenticated")

    @pytest.mark.parametrize("told", [{}, {"X-Forwarded-For": "192.0.2.7"}, {"X-Real-IP": "192.0.2.7"}])
    def test_from_another_address_it_counts_for_nothing(self, elsewhere: httpx.Client, told: dict[str, str]) -> None:
        answer = elsewhere.get("/volume", headers={USER_HEADER: "anna", **told})
        assert_problem(answer, 401, "unauthenticated")

    def test_a_proxy_that_tells_the_address_of_its_client_is_known_all_the_same(self, behind: Guarded) -> None:
        headers = {USER_HEADER: "anna", "X-Forwarded-For": "198.51.100.9"}
        assert behind.service.client.get("/volume", headers=headers).status_code == 200

    @pytest.mark.parametrize(
        "sent",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "https://elsewhere.example"},
            {"Origin": "null"},
        ],
    )
    def test_pages_of_other_sites_change_nothing_in_their_name(
        self, behind: Guarded, sphere: bytes, sent: dict[str, str]
    ) -> None:
        client, anna = behind.service.client, {USER_HEADER: "anna", **sent}
        assert_problem(post(client, sphere, anna), 403, "cross_origin")
        assert client.get("/volume", headers=anna).status_code == 200

    def test_its_own_page_changes(self, behind: Guarded, sphere: bytes) -> None:
        own = {USER_HEADER: "anna", "Sec-Fetch-Site": "same-origin", "Origin": "https://clinic.example"}
        assert post(behind.service.client, sphere, own).status_code == 200


class TestOpen:
    def test_metrics_may_be_public(self, tmp_path: Path, model_store: Path) -> None:
        file = KeyFile(tmp_path / "keys")
        file.add("a", Role.READER)
        with running_service(tmp_path / "d", model_store, api_keys_file=file.path, metrics_public=True) as service:
            assert service.client.get("/metrics").status_code == 200
            assert service.client.get("/volume").status_code == 401

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "hospital.example"])
    def test_it_does_not_start_where_others_reach_it(self, tmp_path: Path, host: str) -> None:
        app = create_app(Settings(data_dir=tmp_path, host=host))
        with pytest.raises(UnprotectedError):
            app.state.access.check()

    def test_a_file_without_keys_is_told_at_the_start(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        (tmp_path / "keys").touch(mode=0o600)
        create_app(Settings(data_dir=tmp_path, api_keys_file=tmp_path / "keys")).state.access.check()
        assert "no API key yet" in caplog.text

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
    def test_it_starts_where_only_this_machine_does(self, tmp_path: Path, host: str) -> None:
        create_app(Settings(data_dir=tmp_path, host=host)).state.access.check()

    def test_it_starts_in_the_open_where_somebody_says_so(self, tmp_path: Path) -> None:
        create_app(Settings(data_dir=tmp_path, host="0.0.0.0", allow_unauthenticated=True)).state.access.check()

    @pytest.mark.parametrize(
        "headers", [{"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Host": "elsewhere.example"}]
    )
    def test_pages_of_other_sites_cannot_use_it(
        self, shared_client: httpx.Client, sphere: bytes, headers: dict[str, str]
    ) -> None:
        assert_problem(post(shared_client, sphere, headers), 403, "cross_origin")

    def test_its_own_pages_can(self, shared_client: httpx.Client) -> None:
        origin = str(shared_client.base_url).rstrip("/")
        assert shared_client.get("/volume", headers={"Origin": origin}).status_code == 200


class TestHeaders:
    @pytest.mark.parametrize("path", ["/", "/volume", "/not-there", "/static/page.css"])
    def test_every_answer_is_hardened(self, guarded: Guarded, path: str) -> None:
        headers = guarded.service.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers
