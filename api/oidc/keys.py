"""The public keys of an issuer, fetched when they are needed and kept for a while."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import httpx
import structlog
from jwt import PyJWK, PyJWTError

from api.errors import InvalidTokenError, IssuerUnavailableError
from api.oidc.issuers import Algorithm, Issuer, is_secure

DISCOVERY = ".well-known/openid-configuration"
FETCH_SECONDS = 5.0
MOST_BYTES = 256 << 10
MOST_KEYS = 100
MOST_DIGITS = 1400
"""Of the modulus of an RSA key in base64: some more than 8192 bits have. Larger ones take long to check with."""

KINDS: Mapping[Algorithm, tuple[str, str | None]] = MappingProxyType(
    {
        **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
        "ES256": ("EC", "P-256"),
        "ES384": ("EC", "P-384"),
        "ES512": ("EC", "P-521"),
        "EdDSA": ("OKP", "Ed25519"),
    }
)
"""The type and the curve of the keys of each algorithm."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Waits:
    """How long keys are used, and how often an issuer is asked, in seconds."""

    refresh: float
    """After which they are fetched again, at the next request."""
    keep: float
    """For which they are used without an answer of the issuer."""
    retry: float
    """Between two attempts, whatever asks for them."""


class IssuerKeys:
    """The keys of one issuer, for one event loop. However many requests wait for a key, it is fetched once."""

    def __init__(self, issuer: Issuer, waits: Waits) -> None:
        self._issuer = issuer
        self._waits = waits
        self._keys: dict[tuple[str, str], PyJWK] = {}
        self._fetched_at = self._tried_at = -float("inf")
        self._failed = False
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str, algorithm: str) -> PyJWK:
        """Return the key with this id, which verifies by this algorithm alone.

        Raises:
            InvalidTokenError: The issuer has no such key.
            IssuerUnavailableError: It could not be asked.
        """
        key = self._known(key_id, algorithm)
        at = time.monotonic()
        if key is None or at - self._fetched_at >= self._waits.refresh:
            if self._fetching is None and at - self._tried_at >= self._waits.retry:
                self._tried_at = at
                self._fetching = asyncio.create_task(self._fetch())
            if key is None and self._fetching is not None:
                await asyncio.shield(self._fetching)  # a request that ends takes it from no other
                key = self._known(key_id, algorithm)
        if key is not None:
            return key
        if self._failed:
            raise IssuerUnavailableError(
                f"The keys of {self._issuer.issuer} could not be fetched, so that no token of it can be checked.",
                headers={"Retry-After": str(max(1, round(self._waits.retry)))},
            )
        raise InvalidTokenError("The token is signed with a key that its issuer does not have.")

    def _known(self, key_id: str, algorithm: str) -> PyJWK | None:
        if time.monotonic() - self._fetched_at >= self._waits.keep:
            return None
        return self._keys.get((key_id, algorithm))

    async def _fetch(self) -> None:
        issuer = self._issuer.issuer
        self._failed = True  # unless it comes to its end
        try:
            async with asyncio.timeout(FETCH_SECONDS), httpx.AsyncClient() as client:
                document = await _get(client, f"{issuer.rstrip('/')}/{DISCOVERY}")
                if document.get("issuer") != issuer:
                    raise ValueError(f"the document is one of the issuer {document.get('issuer')!r}")
                address = str(document.get("jwks_uri"))
                if not is_secure(address):
                    raise ValueError(f"its keys are at {address!r}; expected a URL with https")
                keys = dict(self._usable(await _get(client, address)))
            if not keys:
                raise ValueError("it has no key for the algorithms that are allowed")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError, ValueError) as error:
            log.warning("oidc.issuer_unavailable", issuer=issuer, error=f"{type(error).__name__}: {error}")
        else:
            self._keys, self._fetched_at, self._failed = keys, time.monotonic(), False
        finally:
            self._fetching = None

    def _usable(self, found: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], PyJWK]]:
        """The keys by their ids and the one algorithm for which each is then used."""
        keys = found.get("keys")
        for key in keys[:MOST_KEYS] if isinstance(keys, list) else ():
            if not isinstance(key, Mapping) or not isinstance(key.get("kid"), str):
                continue
            if key.get("use", "sig") != "sig" or len(str(key.get("n", ""))) > MOST_DIGITS:
                continue
            for algorithm in self._issuer.algorithms:
                kind = (key.get("kty"), None if key.get("kty") == "RSA" else key.get("crv"))
                if key.get("alg", algorithm) == algorithm and kind == KINDS[algorithm]:
                    try:
                        yield (key["kid"], algorithm), PyJWK(dict(key), algorithm)
                    except (PyJWTError, ValueError, TypeError) as error:
                        log.warning("oidc.unusable_key", issuer=self._issuer.issuer, error=str(error))


async def _get(client: httpx.AsyncClient, url: str) -> Mapping[str, Any]:
    """Fetch an object of JSON, of a bounded size.

    Raises:
        ValueError: It is none.
    """
    async with client.stream("GET", url, headers={"Accept": "application/json"}) as response:
        if response.status_code != httpx.codes.OK:
            raise ValueError(f"{url} answered with status {response.status_code}")
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > MOST_BYTES:
                raise ValueError(f"{url} answered with more than {MOST_BYTES} bytes")
    try:
        found = httpx.Response(httpx.codes.OK, content=bytes(body)).json()
    except RecursionError:
        found = None
    if not isinstance(found, Mapping):
        raise ValueError(f"{url} answered with no object of JSON")
    return found
