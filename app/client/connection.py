"""The way to a service: its address, the proxy of the environment where one leads there, and the key."""

from __future__ import annotations

import ipaddress
from importlib.metadata import version
from typing import Final
from urllib.request import getproxies, proxy_bypass

import httpx

from app.client.errors import FetalHeadError, ServiceUnreachable

CONNECT_TIMEOUT_S: Final = 10.0


def open_connection(url: str, key: str | None, timeout_s: float) -> httpx.Client:
    """Return what sends requests to a service.

    Raises:
        FetalHeadError: the address, the key, or a variable of the environment about proxies or certificates is invalid.
    """
    if key is not None and not (key.isascii() and key.isprintable()):
        raise FetalHeadError("the API key holds characters that no key has. Pass it as `fetalhead keys add` printed it")
    try:
        address = httpx.URL(url)
        proxy = find_proxy(address)
    except (httpx.InvalidURL, ValueError) as error:
        raise ServiceUnreachable(
            f"{url} is no address of a service: {error}. Pass one like http://host:8000"
        ) from error
    return httpx.Client(
        base_url=address,
        headers={
            "User-Agent": f"fetalhead-client/{version('fetalhead')}",
            **({} if key is None else {"Authorization": f"Bearer {key}"}),
        },
        timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
        transport=_open_transport(proxy),
    )


def find_proxy(address: httpx.URL) -> str | None:
    """Return the proxy that the environment names for an address; a machine asks itself without one."""
    if _is_loopback(address.host) or proxy_bypass(address.netloc.decode("ascii")):
        return None
    proxies = getproxies()
    proxy = proxies.get(address.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def _open_transport(proxy: str | None) -> httpx.HTTPTransport:
    try:
        return httpx.HTTPTransport(proxy=proxy)
    except (httpx.InvalidURL, ValueError, ImportError) as error:
        raise ServiceUnreachable(
            f"the proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names cannot be used: {str(error).rstrip('.')}. "
            "Correct or unset the variable, or name the service's host in NO_PROXY"
        ) from error
    except OSError as error:
        raise ServiceUnreachable(
            f"the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: {error.strerror or error}. "
            "Correct or unset the variable"
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
