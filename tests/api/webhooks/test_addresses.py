from ipaddress import ip_address

import pytest

from api.webhooks.addresses import (
    NotAllowedError,
    Policy,
    literal_addresses,
    parse_networks,
    target_of,
)

PUBLIC = Policy()
EVERYTHING = Policy(networks=parse_networks("0.0.0.0/0,::/0"))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.0.3",
        "::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::1",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "fe80::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "240.0.0.1",
        "3fff::1",
    ],
)
def test_some_addresses_are_refused_whatever_is_allowed(address: str) -> None:
    assert not PUBLIC.allows(ip_address(address))
    assert not EVERYTHING.allows(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "fd00::1", "192.0.2.1"),
        *("fec0::1", "fe00::1", "5f00::1", "4000::1"),  # of former sites, and not given to anyone
    ],
)
def test_private_addresses_have_to_be_allowed(address: str) -> None:
    assert not PUBLIC.allows(ip_address(address))
    assert EVERYTHING.allows(ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::808:808"])
def test_public_addresses_are_allowed_unless_networks_are_set(address: str) -> None:
    assert PUBLIC.allows(ip_address(address))
    assert not Policy(networks=parse_networks("10.0.0.0/8")).allows(ip_address(address))


def test_networks_allow_what_is_in_them_also_in_the_form_of_the_other_version() -> None:
    policy = Policy(networks=parse_networks("10.1.0.0/16, fd12::/16"))
    assert policy.allows(ip_address("10.1.2.3"))
    assert policy.allows(ip_address("::ffff:10.1.2.3"))
    assert policy.allows(ip_address("fd12::9"))
    assert not policy.allows(ip_address("10.2.0.1"))
    assert not policy.allows(ip_address("::ffff:10.2.0.1"))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_for_tests(address: str) -> None:
    assert Policy(loopback=True).allows(ip_address(address))
    assert not Policy(loopback=True).allows(ip_address("169.254.169.254"))


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0177.0.0.1", "0x7f000001", "0x7f.1"])
def test_every_form_of_an_address_that_resolvers_know_is_seen(host: str) -> None:
    assert literal_addresses(host) == [ip_address("127.0.0.1")]
    with pytest.raises(NotAllowedError, match="has no address to which webhooks may be sent"):
        PUBLIC.choose(host, literal_addresses(host))


def test_names_are_not_looked_up_for_that() -> None:
    assert literal_addresses("localhost") == []


def test_of_several_addresses_those_that_are_allowed_are_chosen() -> None:
    found = [ip_address(address) for address in ("127.0.0.1", "1.1.1.1", "10.0.0.1")]
    assert PUBLIC.choose("example.com", found) == [ip_address("1.1.1.1")]


@pytest.mark.parametrize(
    ("url", "host", "port", "authority"),
    [
        ("http://hooks.example.com/td3", "hooks.example.com", 80, "hooks.example.com"),
        ("https://Hooks.example.com:443/", "hooks.example.com", 443, "hooks.example.com"),
        ("https://hooks.example.com:8443?a=b", "hooks.example.com", 8443, "hooks.example.com:8443"),
        ("http://[2001:db8::1]:90/", "2001:db8::1", 90, "[2001:db8::1]:90"),
    ],
)
def test_the_target_of_a_url(url: str, host: str, port: int, authority: str) -> None:
    target = target_of(url)
    assert (target.host, target.port, target.authority) == (host, port, authority)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com",
        "ftp://hooks.example.com/",
        "file:///etc/passwd",
        "http:///path",
        "http://user:password@hooks.example.com/",
        "http://user@hooks.example.com/",
        "http://hooks.example.com:99999/",
        "http://[::1",
        "http://[fe80::1%25eth0]/",
        "http://hooks.example.com/#part",
        "http://hooks.example.com\\@10.0.0.1/",
        "http://hooks.example.com/a b",
        "http://hooks.example.com/\n",
        "http://höoks.example.com/",
        "http://hooks.example.com/" + "a" * 2048,
    ],
)
def test_other_texts_are_no_urls_of_webhooks(url: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        target_of(url)
