"""Where webhooks may be sent to.

A client chooses the URL, and the service sends the request and shows the answer. Without limits a client could reach
with it what only the machines of the service reach: the keeper itself, metadata services of clouds, other services.
"""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_URL = 2048
PORTS = {"http": 80, "https": 443}

_METADATA: tuple[Network, ...] = (
    IPv4Network("100.100.100.200/32"),  # Alibaba Cloud
    IPv4Network("168.63.129.16/32"),  # Azure
    IPv4Network("192.0.0.192/32"),  # Oracle Cloud
    IPv6Network("fd00:ec2::254/128"),  # Amazon EC2
    IPv6Network("fd20:ce::254/128"),  # Google Compute Engine
)
"""Metadata services with addresses that are not link-local."""
_UNUSED = (IPv4Network("0.0.0.0/8"), IPv4Network("240.0.0.0/4"), IPv6Network("3fff::/20"))
"""This network itself, what is reserved, with the broadcast address, and what documents use."""
_UNICAST = IPv6Network("2000::/3")
"""The public addresses of IPv6 so far. Python calls more of them global, those of former sites among them."""
_EMBEDDING: tuple[tuple[IPv6Network, int], ...] = (
    (IPv6Network("::/96"), 96),  # IPv4-compatible
    (IPv6Network("::ffff:0:0:0/96"), 96),  # IPv4-translated (RFC 2765)
    (IPv6Network("64:ff9b::/96"), 96),  # NAT64 (RFC 6052)
    (IPv6Network("64:ff9b:1::/48"), 96),  # NAT64 (RFC 8215)
    (IPv6Network("2002::/16"), 16),  # 6to4 (RFC 3056)
)
"""Networks of IPv6 with an address of IPv4 in them, and the number of bits before it."""


class NotAllowedError(ValueError):
    """Webhooks may not be sent there."""


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a URL that say where a request goes."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The value of the header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Policy:
    """Which addresses are allowed.

    Args:
        networks: The allowed ones; None: all public addresses.
        loopback: Allow addresses of this machine as well, for development and tests.
    """

    networks: tuple[Network, ...] | None = None
    loopback: bool = False

    def allows(self, address: Address) -> bool:
        """Whether a request may be sent to this address, and to the one of IPv4 that is embedded in it."""
        address = getattr(address, "ipv4_mapped", None) or address
        if address.is_loopback:
            return self.loopback
        if _never(address):
            return False
        inner = _embedded(address)
        if inner is not None and not self.allows(inner):
            return False
        if self.networks is None:
            known = isinstance(address, IPv4Address) or inner is not None or address in _UNICAST
            return known and address.is_global
        return any(address in network for network in self.networks)

    def choose(self, host: str, found: Sequence[Address]) -> list[Address]:
        """Return those of the addresses of a host that are allowed.

        Raises:
            NotAllowedError: None of them is.
        """
        allowed = [address for address in found if self.allows(address)]
        if not allowed:
            # Without the addresses: they may be of names that only this network knows.
            raise NotAllowedError(f"{host} has no address to which webhooks may be sent")
        return allowed


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read networks such as `10.0.0.0/8`, separated by commas.

    Raises:
        ValueError: One is not a network.
    """
    return tuple(ip_network(part.strip()) for part in text.split(","))


def target_of(url: str) -> Target:
    """Where a request to the URL goes.

    Raises:
        ValueError: It is not a URL that webhooks can have.
    """
    if len(url) > LONGEST_URL:
        raise ValueError(f"expected at most {LONGEST_URL} characters")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("expected printable ASCII characters; others have to be escaped")
    parts = _split(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError("expected http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("expected no user and no password, which would be shown")
    if parts.fragment or "%" in parts.netloc or "\\" in url:
        raise ValueError("expected no fragment, no zone and no backslash")
    return Target(parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme])


def literal_addresses(host: str) -> list[Address]:
    """The address that a host is written as, in any of the forms that resolvers know (`127.1`, `0x7f000001`).

    No name is looked up; the list of a name is empty.
    """
    try:
        return addresses_of(
            socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        )
    except (socket.gaierror, UnicodeError):
        return []


def addresses_of(infos: Sequence[tuple]) -> list[Address]:
    """The addresses in an answer of `getaddrinfo`, in its order."""
    return [ip_address(info[4][0].partition("%")[0]) for info in infos]


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # which is read only now
    except ValueError as error:
        raise ValueError(f"expected a URL: {error}") from None
    return parts


def _never(address: Address) -> bool:
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or any(address in network for network in (*_UNUSED, *_METADATA))
    )


def _embedded(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    for network, before in _EMBEDDING:
        if address in network:
            return IPv4Address(int(address) >> (96 - before) & 0xFFFFFFFF)
    return address.teredo[1] if address.teredo else None
