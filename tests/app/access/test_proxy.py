"""Who is taken for whom, by the header of an authenticating proxy."""

import pytest
from pydantic import ValidationError

from app.access.errors import TokenRefusedError
from app.access.proxy import ProxyHeader
from app.access.roles import Principal, Role
from app.settings import Settings

HEADER = "X-Forwarded-User"


def header(proxies: str, role: Role = Role.OPERATOR) -> ProxyHeader:
    settings = Settings(trusted_user_header=HEADER, trusted_proxies=proxies)
    return ProxyHeader(HEADER, role, settings.trusted_networks)


@pytest.mark.parametrize("peer", ["10.1.0.5", "192.168.7.200", "fd00::9", "::ffff:10.1.0.5"])
def test_a_trusted_proxy_names_people(peer: str) -> None:
    trusting = header("10.1.0.5, 192.168.7.0/24,fd00::/64", Role.READER)
    assert trusting.find(["anna"], peer) == Principal("anna", Role.READER)
    assert trusting.find([], peer) is None


@pytest.mark.parametrize("peer", ["10.1.0.6", "192.168.8.1", "fd01::9", "::ffff:10.1.0.6", "proxy", "", None])
def test_nobody_else_does(peer: str | None) -> None:
    assert header("10.1.0.5, 192.168.7.0/24, fd00::/64").find(["anna"], peer) is None


@pytest.mark.parametrize("name", ["anna.k@clinic.example", "CLINIC\\anna", "auth0|17", "Anna K", "M\u00fcller"])
def test_names(name: str) -> None:
    sent = name.encode().decode("latin-1")
    assert header("10.0.0.1").find([sent], "10.0.0.1") == Principal(name, Role.OPERATOR)


@pytest.mark.parametrize(
    "values", [["anna", "admin"], [""], [" "], ["anonymous"], ["service"], ["console:root"], ["oidc:1"], ["a" * 101]]
)
def test_what_names_nobody_is_refused(values: list[str]) -> None:
    with pytest.raises(TokenRefusedError):
        header("10.0.0.1").find(values, "10.0.0.1")


@pytest.mark.parametrize("proxies", ["10.0.0.1/8", "proxy.example", "0.0.0.0/0", "10.0.0.1, ::/0"])
def test_proxies_that_are_no_addresses_or_everybody(proxies: str) -> None:
    with pytest.raises(ValidationError, match="FETALHEAD_TRUSTED_PROXIES"):
        header(proxies)


@pytest.mark.parametrize("alone", [{"trusted_user_header": HEADER}, {"trusted_proxies": "10.0.0.1"}])
def test_header_and_proxies_need_one_another(alone: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="need one another"):
        Settings(**alone)  # type: ignore[arg-type]  # texts, as the environment has them


@pytest.mark.parametrize("proxies", [" , ", ","])
def test_no_proxy_at_all_is_refused(proxies: str) -> None:
    with pytest.raises(ValidationError, match="need one another"):
        header(proxies)
