"""Connections to a service: through a proxy or straight, and by which certificates."""

import ipaddress
import ssl
from pathlib import Path
from urllib.request import getproxies, proxy_bypass

import httpx

from td3client.errors import InvalidSettingError

CONNECT_RETRIES = 2

Verify = bool | str | Path | ssl.SSLContext


class Transports:
    """Makes the transports of a client: for its service, and for a storage that it redirects a download to.

    Args:
        verify: Whether certificates are checked, the file of the authorities by which they are, or a TLS context.
        proxy: URL of a proxy for everything; an empty one uses none, and None those of the environment (`HTTPS_PROXY`,
            `HTTP_PROXY`, `ALL_PROXY`, but for the hosts in `NO_PROXY`), and none for this machine itself.

    Raises:
        InvalidSettingError: The file of authorities cannot be read, or the proxy is none. The message does not show the
            proxy, whose URL may have a password.
    """

    def __init__(self, *, verify: Verify = True, proxy: str | None = None) -> None:
        self._verify = _authorities(verify) if isinstance(verify, str | Path) else verify
        self._proxy = None if not proxy else _checked(proxy, "the proxy")
        self._environment = proxy is None

    def to(self, url: httpx.URL) -> httpx.HTTPTransport:
        """Return a transport to this URL; raises InvalidSettingError."""
        proxy = self._proxy
        if proxy is None and self._environment:
            proxy = _proxy_of_environment(url)
        return httpx.HTTPTransport(verify=self._verify, proxy=proxy, retries=CONNECT_RETRIES)


def service_url(given: str) -> httpx.URL:
    """Return the URL of a service.

    Raises:
        InvalidSettingError: It is none, or has a user.
    """
    try:
        url = httpx.URL(given)
        if url.scheme in ("http", "https") and url.host and not url.userinfo:
            return url
    except httpx.InvalidURL:
        pass
    raise InvalidSettingError(
        "the URL of the service cannot be used; expected http:// or https://, a host and no user or password"
    )


def _proxy_of_environment(url: httpx.URL) -> httpx.Proxy | None:
    if is_this_machine(url.host):
        return None
    known = getproxies()
    proxy = known.get(url.scheme) or known.get("all")
    host = url.host if url.port is None else f"{url.host}:{url.port}"
    if not proxy or proxy_bypass(host):
        return None
    return _checked(proxy if "://" in proxy else f"http://{proxy}", "the proxy of the environment")


def _checked(proxy: str, what: str) -> httpx.Proxy:
    try:
        url = httpx.URL(proxy)
        if url.scheme in ("http", "https") and url.host:
            return httpx.Proxy(url)
    except (httpx.InvalidURL, ValueError):
        pass
    raise InvalidSettingError(f"{what} cannot be used; expected http://host:port or https://host:port")


def _authorities(file: str | Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=file)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or error
        raise InvalidSettingError(f"the certificates in {file} cannot be used: {reason}") from error


def is_this_machine(host: str) -> bool:
    """Whether a host is loopback."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
