"""Sending one webhook: one POST, to an address that is allowed, within one time limit.

The transport of httpx is used directly, because its client does more: it would send the cookies of one receiver to
another that has the same address.
"""

import math
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import anyio
import httpx
import structlog
from anyio import to_thread

from api.webhooks import signing
from api.webhooks.addresses import (
    NotAllowedError,
    Policy,
    Target,
    addresses_of,
    literal_addresses,
    target_of,
)
from api.webhooks.deliveries import Outcome, Taken
from api.webhooks.schedule import read_retry_after
from td3core.version import VERSION

CONNECT_SECONDS = 5.0
MOST_ADDRESSES = 3
"""Number of addresses of a host that are tried until one can be connected to."""
BODY_BYTES = 1024
"""How much of the body of an answer is read and kept."""
BODY_SECONDS = 2.0
"""How long it is waited for: the status alone decides."""
MOST_HEADERS = 20
LONGEST_TEXT = 200
HEADERS = {"content-type": "application/json", "user-agent": f"TD3-Service/{VERSION}", "connection": "close"}

log = structlog.get_logger("worker.webhooks")


@dataclass(frozen=True, slots=True)
class Answer:
    """The beginning of what a receiver answered."""

    status: int
    headers: dict[str, str]
    """The first ones, cut."""
    body: str
    retry_after: str | None


class Poster:
    """Sends webhooks, any number at once. Each has a connection of its own.

    Args:
        policy: Where they may be sent to.
        seconds: Time limit of each, from looking up the name to the status of the answer.
        proxy: URL of a proxy that all are sent through. It looks up the names itself, and has to refuse addresses
            that are not allowed; only URLs with an address in place of a name are checked before.
    """

    def __init__(self, policy: Policy, *, seconds: float, proxy: str | None = None) -> None:
        self._policy = policy
        self._seconds = seconds
        self._looks_up = proxy is None
        self._lookups = anyio.CapacityLimiter(math.inf)
        """Of threads: a lookup cannot be ended, and must not hold up those of other hosts."""
        self._transport = httpx.AsyncHTTPTransport(
            verify=ssl.create_default_context(),
            trust_env=False,
            proxy=proxy,
            # A connection kept open to an address would be used for another host that has the same one.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )

    async def close(self) -> None:
        """Close what is open."""
        await self._transport.aclose()

    async def post(self, taken: Taken) -> Outcome:
        """Send a delivery once, and say how that ended."""
        started, at = time.perf_counter(), datetime.now(UTC)
        answer, error = None, None
        try:
            with anyio.fail_after(self._seconds):
                response = await self._send(taken, timestamp=int(at.timestamp()))
            answer = await _beginning(response)
        except TimeoutError:
            error = f"There was no answer within {self._seconds:g} s."
        except (NotAllowedError, httpx.TransportError, httpx.InvalidURL, OSError, ValueError) as problem:
            error = _in_words(problem)
        except Exception as problem:  # one that cannot be sent must not keep the others from it
            log.error("webhook.unexpected", delivery=taken.id, exc_info=problem)
            error = _in_words(problem)
        shown = {
            "at": at.isoformat(),
            "url": taken.url,
            "seconds": round(time.perf_counter() - started, 3),
            "status": answer.status if answer else None,
            "headers": answer.headers if answer else None,
            "body": answer.body if answer else None,
            "error": error,
        }
        if answer is None:
            return Outcome(shown)
        retry_after = read_retry_after(answer.retry_after, at=at)
        return Outcome(shown, status=answer.status, retry_after=retry_after)

    async def _send(self, taken: Taken, *, timestamp: int) -> httpx.Response:
        """Send the request and return the answer, of which only the head has been read."""
        target = target_of(taken.url)
        signed = signing.headers(taken.id, taken.body, timestamp=timestamp, signed_with=taken.secrets)
        headers = {"host": target.authority, **HEADERS, **signed}
        hosts = await self._hosts(target)
        for host in hosts[:-1]:
            try:
                return await self._request(taken, target, host, headers)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # nothing was sent
        return await self._request(taken, target, hosts[-1], headers)

    async def _hosts(self, target: Target) -> list[str]:
        """What to connect to: the host looked up once, or by its name through a proxy.

        Raises:
            NotAllowedError: The host has no address that is allowed.
        """
        found = literal_addresses(target.host)
        if not found and not self._looks_up:
            return [target.host]
        if not found:
            look_up = partial(socket.getaddrinfo, target.host, target.port, type=socket.SOCK_STREAM)
            infos = await to_thread.run_sync(look_up, limiter=self._lookups, abandon_on_cancel=True)
            found = addresses_of(infos)
        return [str(address) for address in self._policy.choose(target.host, found)[:MOST_ADDRESSES]]

    async def _request(
        self, taken: Taken, target: Target, host: str, headers: Mapping[str, str]
    ) -> httpx.Response:
        extensions: dict[str, Any] = {
            "timeout": {
                "connect": CONNECT_SECONDS,
                "read": self._seconds,
                "write": self._seconds,
                "pool": None,
            }
        }
        if target.scheme == "https" and host != target.host:
            extensions["sni_hostname"] = target.host  # whose certificate is asked for and checked
        url = httpx.URL(taken.url).copy_with(host=host, port=target.port)
        request = httpx.Request(
            "POST", url, headers=headers, content=taken.body.encode(), extensions=extensions
        )
        return await self._transport.handle_async_request(request)


async def _beginning(response: httpx.Response) -> Answer:
    """Read a little of the answer and close the connection."""
    body = bytearray()
    try:
        with anyio.move_on_after(BODY_SECONDS):
            async for piece in response.aiter_raw():
                body += piece[: BODY_BYTES - len(body)]
                if len(body) >= BODY_BYTES:
                    break
    except httpx.TransportError:
        pass  # the status has come
    finally:
        with anyio.move_on_after(1, shield=True):
            await response.aclose()
    headers = {
        name.lower()[:LONGEST_TEXT]: value[:LONGEST_TEXT]
        for name, value in list(response.headers.items())[:MOST_HEADERS]
    }
    text = _storable(body.decode("utf-8", "replace"))
    return Answer(response.status_code, headers, text, response.headers.get("retry-after"))


def _in_words(problem: Exception) -> str:
    return _storable(f"{type(problem).__name__}: {problem}")[:LONGEST_TEXT]


def _storable(text: str) -> str:
    """Without NUL, which PostgreSQL does not store."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
