"""ASGI middleware at the edge of the service: who may ask, and what every response tells browsers.

Access control may be off, so a browser on the machine of an operator must not carry the requests of a foreign page:
neither of one that sends them across sites, nor of one whose name was made to resolve to this address (DNS rebinding).
Starlette's TrustedHostMiddleware does the latter alone, and answers in plain text.
"""

from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import (
    AddressTooLongError,
    BusyError,
    CrossSiteError,
    HeadTooLargeError,
    HostNotAllowedError,
    ServiceError,
)
from api.http.connection import SURPLUS
from api.http.headers import complete
from api.http.problems import service_problem

ANY_HOST = "*"
PROBES = frozenset({"/healthz", "/readyz"})
"""Paths that tell nothing, and that load balancers ask for by address."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
LONGEST_ADDRESS = 8192
MOST_HEADERS = 100
MOST_HEADER_BYTES = 32_768
OWN_PAGES = ("same-origin", "none")  # values of Sec-Fetch-Site


class BoundaryMiddleware:
    """Refuses requests of foreign pages, answers HEAD wherever there is GET, and adds headers for browsers."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                complete(MutableHeaders(scope=message))
            await send(message)

        request = Request(scope)
        try:
            self._check(request)
        except ServiceError as error:
            await service_problem(request, error)(scope, receive, send_with_headers)
        else:
            await self._app(_answerable(scope), receive, send_with_headers)

    def _check(self, request: Request) -> None:
        _check_size(request.scope)
        if request.scope["state"].get(SURPLUS) and request.url.path not in PROBES:
            raise BusyError(
                "The service has as many connections as it can; try again later.",
                headers={"Connection": "close"},
            )
        hosts = request.headers.getlist("host")
        host = hosts[0] if len(hosts) == 1 else ""
        if request.url.path not in PROBES and not self._knows(host):
            raise HostNotAllowedError(
                f"The host {', '.join(hosts)[:100]!r} is not a name of this service; TD3_ALLOWED_HOSTS lists its names."
            )
        if request.method in SAFE_METHODS:
            return
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if (site is not None and site not in OWN_PAGES) or (
            origin is not None and _netloc(origin) != host.lower()
        ):
            page = (origin or site or "")[:100]
            raise CrossSiteError(f"The request comes from a page of {page!r}, not of this service.")

    def _knows(self, host: str) -> bool:
        return ANY_HOST in self._hosts or host_name(host) in self._hosts


def _check_size(scope: Scope) -> None:
    """Check what is quoted in answers and logs, and looked through for every request."""
    if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_ADDRESS:
        raise AddressTooLongError(f"The address is too long; expected at most {LONGEST_ADDRESS} bytes.")
    headers = scope["headers"]
    if (
        len(headers) > MOST_HEADERS
        or sum(len(name) + len(value) for name, value in headers) > MOST_HEADER_BYTES
    ):
        raise HeadTooLargeError(
            f"The headers are too large; expected at most {MOST_HEADERS}, of at most {MOST_HEADER_BYTES} bytes."
        )


def host_name(host: str) -> str | None:
    """The name or address in a `Host` header, without port and brackets; None if there is none."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises if it is no number
    except ValueError:
        return None
    return parts.hostname if parts.netloc == host and "@" not in host else None


def _netloc(origin: str) -> str | None:
    """Host and port; a gateway may have changed the scheme. The origin `null` has none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _answerable(scope: Scope) -> Scope:
    """Route HEAD as GET where no route has it; the server sends no body. Of events it asks for the page."""
    if scope["method"] != "HEAD":
        return scope
    if any(route.matches(scope)[0] is Match.FULL for route in scope["app"].routes):
        return scope
    headers = [(name, value) for name, value in scope["headers"] if name != b"accept"]
    return {**scope, "method": "GET", "headers": headers}
