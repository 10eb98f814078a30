"""Settings of one service, read from the environment (prefix `FETALHEAD_`).

Numbers of the preprocessing and of the quality rules are no settings: they are part of the model's manifest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal, Self, TypeAlias
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.contract.value import PrecisionChoice, ProviderChoice
from model_store import packaged_store

PREFIX = "FETALHEAD_"
DATABASE_FILE = "fetalhead.sqlite"
MEBIBYTE = 1024 * 1024
CLIENT_VARIABLES = ("FETALHEAD_URL", "FETALHEAD_API_KEY")
"""Variables that the client reads (`app.client`), which are no settings of the service."""
REMOVED_VARIABLES = {
    "FETALHEAD_MAX_VOXELS": "use FETALHEAD_MAX_UNPACKED_BYTES, which bounds the voxels, too",
    "FETALHEAD_OIDC_JWKS_URL": "unset it: the issuer itself names its keys (/.well-known/openid-configuration)",
    "FETALHEAD_RATE_LIMIT_PER_MINUTE": "unset it: a proxy limits the rate, such as that of docker-compose.yml",
    "FETALHEAD_RETRY_AFTER_S": "unset it: a full queue names the time it expects, and 5 s at least",
}
"""Variables of earlier versions, and what to do instead."""
SERVICE_LINK = re.compile(
    r"FETALHEAD_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
LINKED_PORT = re.compile(r"(tcp|udp|sctp)://.*")
"""Variables that Kubernetes and Docker set in every container beside a service whose name begins with fetalhead."""

Network: TypeAlias = IPv4Network | IPv6Network


class SettingsError(Exception):
    """Settings in the environment that cannot be used."""


class Settings(BaseSettings):
    """Every setting of the service; each one is described in `docs/settings.md`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", validate_default=True
    )

    host: str = Field("127.0.0.1", description="Address the service listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port the service listens on; 0 takes a free one.")
    root_path: str | None = Field(
        None,
        pattern=r"^(?:/[A-Za-z0-9._~-]+)+$",
        description="Path below which a proxy serves the service, such as `/fetalhead`; empty takes the one that the "
        "proxy names in `X-Forwarded-Prefix`.",
    )

    tls_certificate_file: Path | None = Field(
        None, description="Certificate chain (PEM); with it the service speaks HTTPS itself."
    )
    tls_key_file: Path | None = Field(None, description="Private key (PEM) of the certificate.")

    proxy_certificate_file: Path | None = Field(
        None, description="Certificate (PEM) of the proxy in front, whose end the metrics tell; empty tells none."
    )

    api_keys_file: Path | None = Field(
        None, description="File of the hashed API keys (`fetalhead keys`); empty takes none."
    )
    oidc_issuer: str | None = Field(
        None, pattern="^https?://", description="Issuer whose OpenID Connect bearer tokens are taken; empty takes none."
    )
    oidc_audience: str | None = Field(None, description="Audience that a bearer token must name.")
    oidc_roles_claim: str = Field(
        "roles", description="Claim that holds a token's roles; a path such as `realm_access.roles`."
    )
    trusted_user_header: str | None = Field(
        None,
        pattern="^[A-Za-z0-9-]+$",
        description="Header in which an authenticating proxy names the person it signed in, such as "
        "`X-Forwarded-User`; empty takes none.",
    )
    trusted_user_role: Literal["reader", "operator", "admin"] = Field(
        "operator", description="Role of everybody whom that header names."
    )
    trusted_proxies: str | None = Field(
        None,
        description="Addresses or networks of the proxies whose header counts, separated by commas, such as "
        "`10.1.0.5, fd00::/64`.",
    )
    allow_unauthenticated: bool = Field(
        False, description="Starts without authentication even where other machines reach the service."
    )
    metrics_public: bool = Field(False, description="Gives `/metrics` to everybody, without a key.")

    model_store: Path = Field(
        default_factory=packaged_store,
        description="Folder of the published models; empty takes those that came with the installation.",
    )
    model_name: str = Field(
        "fetal_head", pattern=r"^[a-z0-9_]{1,64}$", description="Which model of the store is served."
    )
    model_version: int | None = Field(None, ge=1, description="Version of the model; empty takes the newest.")

    provider: ProviderChoice = Field(
        "auto", description="Runtime of the networks; `auto` takes the fastest one that really runs."
    )
    precision: PrecisionChoice = Field(
        "auto", description="Arithmetic of the networks; `auto` takes what the model vouches for and the machine has."
    )
    threads: int = Field(
        0, ge=0, le=1024, description="Threads of one inference; 0 takes every core the process may use."
    )
    kept_memory_mb: int = Field(
        384, ge=0, description="Working memory that the networks keep from one volume to the next, MB; 0 keeps none."
    )

    data_dir: Path = Field(Path("data"), description="Folder that holds everything the service writes.")
    database_url: str | None = Field(
        None, description="URL of a PostgreSQL database; empty takes SQLite in `FETALHEAD_DATA_DIR`."
    )

    retention_days: int = Field(
        0, ge=0, description="Days after which a measurement is erased with its files; 0 keeps everything."
    )
    database_password_file: Path | None = Field(
        None, description="File with the password of the user in `FETALHEAD_DATABASE_URL`; empty where it needs none."
    )

    max_upload_bytes: int = Field(512 * MEBIBYTE, ge=1024, description="Largest request body, in bytes.")
    max_unpacked_bytes: int = Field(
        1024 * MEBIBYTE, ge=1024, description="Largest size a compressed upload may unpack to, in bytes."
    )
    upload_timeout_s: float = Field(
        120.0, gt=0, description="Longest time a client may take to send its body, seconds."
    )

    queue_length: int = Field(8, ge=0, description="Requests that may wait while another one is measured.")
    request_timeout_s: float = Field(
        600.0, gt=0, description="Longest time a synchronous request waits for its result before it gets 504, seconds."
    )
    segmentation_timeout_s: float = Field(
        300.0, gt=0, description="Longest time one segmentation may be computed before it is stopped, seconds."
    )
    shutdown_timeout_s: float = Field(30.0, ge=0, description="Time running work gets to finish at shutdown, seconds.")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")
    log_format: Literal["json", "text"] = Field("json", description="Log lines as JSON objects or as plain text.")

    @field_validator("port", mode="before")
    @classmethod
    def _not_linked(cls, value: object) -> object:
        linked = isinstance(value, str) and LINKED_PORT.fullmatch(value)
        return cls.model_fields["port"].default if linked else value

    @field_validator("precision", mode="before")
    @classmethod
    def _not_int8(cls, value: object) -> object:
        if value == "int8":
            raise ValueError("int8 was removed, no published model passed its gate; set auto, fp32, bf16 or fp16")
        return value

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if (self.oidc_issuer is None) != (self.oidc_audience is None):
            raise ValueError("FETALHEAD_OIDC_ISSUER and FETALHEAD_OIDC_AUDIENCE need one another")
        if (self.trusted_user_header is None) != (not self.trusted_networks):
            raise ValueError("FETALHEAD_TRUSTED_USER_HEADER and FETALHEAD_TRUSTED_PROXIES need one another")
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("FETALHEAD_TLS_CERTIFICATE_FILE and FETALHEAD_TLS_KEY_FILE need one another")
        if self.database_password_file is not None:
            _with_password(self.database_url or "", self.database_password_file)
        return self

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """The addresses of the proxies whose word counts about who is signed in."""
        words = [word.strip() for word in (self.trusted_proxies or "").split(",") if word.strip()]
        try:
            networks = tuple(ip_network(word) for word in words)
        except ValueError as error:
            raise ValueError(f"FETALHEAD_TRUSTED_PROXIES holds what is no address and no network: {error}") from error
        if any(network.prefixlen == 0 for network in networks):
            raise ValueError("FETALHEAD_TRUSTED_PROXIES must not hold every address: anybody could name anybody")
        return networks

    @property
    def database(self) -> str | Path:
        """The database in use: the URL of a server's, or the path of the file that SQLite keeps it in."""
        if self.database_url is None:
            return (self.data_dir / DATABASE_FILE).resolve()
        if self.database_password_file is None:
            return self.database_url
        return _with_password(self.database_url, self.database_password_file)


def read_settings(**given: object) -> Settings:
    """Read the settings from the environment but for those given; raise `SettingsError` where they cannot be used."""
    if unknown := unknown_variables(os.environ):
        raise SettingsError(f"Unknown settings: {', '.join(unknown)}. docs/settings.md lists those that exist.")
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        problems = [": ".join([*_variables_at(item["loc"]), item["msg"]]) for item in error.errors()]
        raise SettingsError(f"Settings with the prefix {PREFIX} cannot be used. {'; '.join(problems)}") from error


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return the variables with the service's prefix that set nothing; for one that was removed, what to do instead."""
    known = {environment_name(field) for field in Settings.model_fields} | set(CLIENT_VARIABLES)
    given = (name for name, value in environment.items() if not _is_service_link(name, value))
    unknown = sorted(name for name in given if name.startswith(PREFIX) and name not in known)
    return [f"{name} ({REMOVED_VARIABLES[name]})" if name in REMOVED_VARIABLES else name for name in unknown]


def environment_name(field: str) -> str:
    """Return the environment variable that sets a field.

    >>> environment_name("data_dir")
    'FETALHEAD_DATA_DIR'
    """
    return f"{PREFIX}{field.upper()}"


def _is_service_link(name: str, value: str) -> bool:
    """Return whether an orchestrator set a variable to say where a service is; it sets nothing of this one."""
    return bool(SERVICE_LINK.fullmatch(name) or (name.endswith("_PORT") and LINKED_PORT.fullmatch(value)))


def _variables_at(location: tuple[int | str, ...]) -> list[str]:
    return [environment_name(str(location[0]))] if location else []


def _with_password(url: str, file: Path) -> str:
    """Return the URL with the file's content as its user's password; raise ValueError where either cannot be used."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    if not user or ":" in user:
        raise ValueError("FETALHEAD_DATABASE_PASSWORD_FILE needs a FETALHEAD_DATABASE_URL with a user and no password")
    try:
        password = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError("the file of FETALHEAD_DATABASE_PASSWORD_FILE cannot be read") from error
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}"))
