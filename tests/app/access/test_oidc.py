import asyncio
import base64
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.access import oidc
from app.access.errors import NoRoleError, ProviderUnreachableError, TokenRefusedError
from app.access.oidc import OidcTokens
from app.access.roles import Principal, Role
from tests.app.access.issuer import AUDIENCE, Issuer, running_issuer
from tests.helpers.certificates import self_signed


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with running_issuer() as issuer:
        yield issuer


def verified(issuer: Issuer, token: str, **settings: Any) -> Principal:
    return asyncio.run(OidcTokens(issuer.url, AUDIENCE, **settings).verify(token))


class TestGood:
    def test_it_names_its_holder_and_role(self, issuer: Issuer) -> None:
        assert verified(issuer, issuer.token()) == Principal("oidc:u-17", Role.OPERATOR)

    def test_elliptic_curves_too(self, issuer: Issuer) -> None:
        assert verified(issuer, issuer.token(issuer.ec_key, "ES256", "ec")).role is Role.OPERATOR

    @pytest.mark.parametrize(
        ("roles", "role"),
        [
            (["fetalhead-reader", "fetalhead-admin", "other"], Role.ADMIN),
            ("fetalhead-reader", Role.READER),
        ],
    )
    def test_the_highest_role_counts(self, issuer: Issuer, roles: Any, role: Role) -> None:
        assert verified(issuer, issuer.token(roles=roles)).role is role

    def test_roles_may_lie_deeper(self, issuer: Issuer) -> None:
        token = issuer.token(roles=None, realm_access={"roles": ["fetalhead-admin"]})
        assert verified(issuer, token, roles_claim="realm_access.roles").role is Role.ADMIN

    def test_the_audience_may_be_one_of_several(self, issuer: Issuer) -> None:
        assert verified(issuer, issuer.token(aud=["other", AUDIENCE])).name == "oidc:u-17"


class TestRefused:
    @pytest.mark.parametrize(
        "changes",
        [
            {"aud": "another-service"},
            {"aud": None},
            {"iss": "https://elsewhere.example"},
            {"exp": time.time() - 120},
            {"exp": None},
            {"nbf": time.time() + 600},
            {"sub": None},
            {"sub": "two words"},
        ],
        ids=lambda changes: next(iter(changes.items()))[0] + str(next(iter(changes.values())))[:9],
    )
    def test_claims_that_are_not_for_us(self, issuer: Issuer, changes: dict[str, Any]) -> None:
        with pytest.raises(TokenRefusedError):
            verified(issuer, issuer.token(**changes))

    def test_no_signature(self, issuer: Issuer) -> None:
        with pytest.raises(TokenRefusedError, match="algorithm"):
            verified(issuer, jwt.encode(issuer.claims(), "", "none", {"kid": "rsa"}))

    def test_a_public_key_used_as_a_shared_secret(self, issuer: Issuer) -> None:
        public = issuer.rsa_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "kid": "rsa"}, issuer.claims())]
        signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
        signature = base64.urlsafe_b64encode(hmac.digest(public, signed, "sha256")).rstrip(b"=")
        with pytest.raises(TokenRefusedError, match="algorithm"):
            verified(issuer, (signed + b"." + signature).decode())

    def test_another_key_under_the_same_identifier(self, issuer: Issuer) -> None:
        forged = issuer.token(rsa.generate_private_key(public_exponent=65537, key_size=2048))
        with pytest.raises(TokenRefusedError, match="Signature"):
            verified(issuer, forged)

    def test_an_identifier_that_the_issuer_does_not_know(self, issuer: Issuer) -> None:
        with pytest.raises(TokenRefusedError, match="not one of the provider"):
            verified(issuer, issuer.token(key_id="other"))

    def test_altered_claims(self, issuer: Issuer) -> None:
        head, _, signature = issuer.token().split(".")
        _, claims, _ = issuer.token(roles=["fetalhead-admin"]).split(".")
        with pytest.raises(TokenRefusedError):
            verified(issuer, f"{head}.{claims}.{signature}")

    @pytest.mark.parametrize("text", ["", "x", "a.b.c", "fetalhead", "ä.ö.ü"])
    def test_what_is_no_token(self, issuer: Issuer, text: str) -> None:
        with pytest.raises(TokenRefusedError):
            verified(issuer, text)

    @pytest.mark.parametrize("roles", [None, [], ["admin"], ["fetalhead-root"], {"fetalhead-admin": 1}, 7])
    def test_no_role_of_this_service(self, issuer: Issuer, roles: Any) -> None:
        with pytest.raises(NoRoleError):
            verified(issuer, issuer.token(roles=roles))


class TestKeys:
    def test_they_are_fetched_once_for_many_tokens_and_never_per_forged_one(self, issuer: Issuer) -> None:
        tokens = OidcTokens(issuer.url, AUDIENCE)

        async def many() -> None:
            for _ in range(5):
                await tokens.verify(issuer.token())
            for number in range(5):
                with pytest.raises(TokenRefusedError):
                    await tokens.verify(issuer.token(key_id=f"unknown-{number}"))

        issuer.asked.clear()
        asyncio.run(many())
        assert issuer.asked.count("/keys") == 1

    def test_a_new_key_of_the_issuer_is_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(oidc, "LEAST_BETWEEN_FETCHES_S", 0.0)
        with running_issuer() as issuer:
            tokens = OidcTokens(issuer.url, AUDIENCE)

            async def rotated() -> None:
                await tokens.verify(issuer.token())
                issuer.publish({"new": issuer.ec_key})
                await tokens.verify(issuer.token(issuer.ec_key, "ES256", "new"))
                with pytest.raises(TokenRefusedError):
                    await tokens.verify(issuer.token())

            asyncio.run(rotated())

    def test_a_key_that_the_issuer_withdrew_is_forgotten_after_a_while(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(oidc, "LEAST_BETWEEN_FETCHES_S", 0.0)
        monkeypatch.setattr(oidc, "KEYS_GOOD_FOR_S", 0.01)
        with running_issuer() as issuer:
            tokens = OidcTokens(issuer.url, AUDIENCE)
            asyncio.run(tokens.verify(issuer.token()))
            issuer.publish({"ec": issuer.ec_key})
            time.sleep(0.02)
            with pytest.raises(TokenRefusedError):
                asyncio.run(tokens.verify(issuer.token()))

    @pytest.mark.parametrize("away", [True, False], ids=["is away", "has no keys to show"])
    def test_known_keys_serve_while_the_issuer(self, away: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(oidc, "LEAST_BETWEEN_FETCHES_S", 0.0)
        monkeypatch.setattr(oidc, "KEYS_GOOD_FOR_S", 0.01)
        with ExitStack() as running:
            issuer = running.enter_context(running_issuer())
            tokens = OidcTokens(issuer.url, AUDIENCE)
            asyncio.run(tokens.verify(issuer.token()))
            issuer.answer_with(None)
            if away:
                running.close()
            for _ in range(2):
                time.sleep(0.02)
                assert asyncio.run(tokens.verify(issuer.token())).name == "oidc:u-17"
                with pytest.raises(TokenRefusedError, match="not one of the provider"):
                    asyncio.run(tokens.verify(issuer.token(key_id="other")))

    def test_a_token_that_names_no_key_is_signed_by_the_only_one(self) -> None:
        with running_issuer() as issuer:
            issuer.publish({None: issuer.ec_key})
            assert verified(issuer, issuer.token(issuer.ec_key, "ES256", None)).name == "oidc:u-17"

    def test_a_token_that_names_none_of_several_keys(self, issuer: Issuer) -> None:
        with pytest.raises(TokenRefusedError, match="not one of the provider"):
            verified(issuer, issuer.token(key_id=None))

    @pytest.mark.parametrize(
        "document", [None, [], "keys", {}, {"keys": []}, {"keys": ["x"]}, {"keys": [{}]}, {"keys": 7}]
    )
    def test_an_issuer_that_shows_no_keys_is_not_asked_for_each_token(self, document: Any) -> None:
        with running_issuer() as issuer:
            issuer.answer_with(document)
            tokens = OidcTokens(issuer.url, AUDIENCE)
            for _ in range(3):
                with pytest.raises(ProviderUnreachableError):
                    asyncio.run(tokens.verify(issuer.token()))
            assert len(issuer.asked) <= 2

    def test_keys_come_over_tls_from_whom_this_machine_trusts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        certificate, key = self_signed(tmp_path)
        with running_issuer((certificate, key)) as issuer:
            with pytest.raises(ProviderUnreachableError):
                verified(issuer, issuer.token())
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            assert verified(issuer, issuer.token()).name == "oidc:u-17"

    def test_an_issuer_that_does_not_answer(self) -> None:
        with running_issuer() as issuer:
            token = issuer.token()
        with pytest.raises(ProviderUnreachableError):
            verified(issuer, token)

    @pytest.mark.parametrize(
        "changes",
        [{"jwks_uri": "http://id.example/keys"}, {"issuer": "https://elsewhere.example"}, {"jwks_uri": None}],
        ids=["unencrypted over a network", "of another issuer", "nowhere"],
    )
    def test_keys_are_not_fetched_from_a_place_that_cannot_be_trusted(self, changes: dict[str, Any]) -> None:
        with running_issuer() as issuer:
            issuer.describe(**changes)
            with pytest.raises(ProviderUnreachableError):
                verified(issuer, issuer.token())
