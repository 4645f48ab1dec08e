"""One try, against real receivers, resolvers and certificates on loopback."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.client import parse_headers
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import anyio
import pytest

from api.webhooks.addresses import Policy
from api.webhooks.deliveries import Outcome, Taken
from tests.support.receivers import Answer, Receiver, receiving
from tests.support.webhooks import LOOPBACK, SECRET
from worker import posting
from worker.posting import Poster

TLS = Path(__file__).parents[1] / "fixtures" / "tls"
"""A certificate of localhost that signs itself, and its key, for tests alone."""
BODY = '{"type":"webhook.test","data":{"name":"é"}}'


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def taken(url: str) -> Taken:
    return Taken(
        id="msg_1",
        webhook_id="hook_1",
        url=url,
        body=BODY,
        secrets=(SECRET,),
        failures=0,
        tries=(),
        until=datetime.now(UTC),
    )


def post(url: str, *, seconds: float = 5, policy: Policy = LOOPBACK, proxy: str | None = None) -> Outcome:
    return post_all([url], seconds=seconds, policy=policy, proxy=proxy)[0]


def post_all(
    urls: Sequence[str], *, seconds: float, policy: Policy = LOOPBACK, proxy: str | None = None
) -> list[Outcome]:
    """Send to all of them at once, by one poster."""
    outcomes: dict[int, Outcome] = {}

    async def one(poster: Poster, number: int) -> None:
        outcomes[number] = await poster.post(taken(urls[number]))

    async def send() -> None:
        poster = Poster(policy, seconds=seconds, proxy=proxy)
        try:
            async with anyio.create_task_group() as tasks:
                for number in range(len(urls)):
                    tasks.start_soon(one, poster, number)
        finally:
            await poster.close()

    anyio.run(send)
    return [outcomes[number] for number in range(len(urls))]


def error_of(outcome: Outcome) -> str:
    assert outcome.status is None
    return outcome.shown["error"]


def test_what_arrives_is_signed_and_complete(receiver: Receiver) -> None:
    outcome = post(receiver.url + "?a=1")
    (got,) = receiver.received
    assert got.path == "/hook?a=1"
    assert got.body == BODY
    assert got.verified(SECRET) == {"type": "webhook.test", "data": {"name": "é"}}
    assert got.id == "msg_1"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"].startswith("TD3-Service/")
    assert outcome.accepted
    assert (outcome.shown["status"], outcome.shown["error"]) == (204, None)


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    receiver.behave = lambda _: Answer(307, {"location": receiver.url + "/elsewhere"})
    outcome = post(receiver.url)
    assert (outcome.status, outcome.accepted) == (307, False)
    assert len(receiver.received) == 1


def test_retry_after_is_read(receiver: Receiver) -> None:
    many = {f"X-{number}": "" for number in range(posting.MOST_HEADERS)}
    receiver.behave = lambda _: Answer(429, {**many, "Retry-After": "120"})
    assert post(receiver.url).retry_after == timedelta(seconds=120)


@pytest.mark.parametrize("seconds", [0.3])
def test_a_receiver_that_hangs_is_left(receiver: Receiver, seconds: float) -> None:
    receiver.behave = lambda _: receiver.hang()
    started = time.monotonic()
    assert error_of(post(receiver.url, seconds=seconds)) == "There was no answer within 0.3 s."
    assert time.monotonic() - started < 3


def test_a_receiver_that_drips_its_head_is_left() -> None:
    """A limit for each read alone would wait for as long as something comes."""

    def drip(connection: socket.socket) -> None:
        connection.recv(65536)
        for byte in b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    started = time.monotonic()
    with speaking(drip) as url:
        assert error_of(post(url, seconds=0.5)) == "There was no answer within 0.5 s."
    assert time.monotonic() - started < 3


def test_the_status_counts_though_the_body_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "BODY_SECONDS", 0.2)

    def begin(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nbeginning")
        time.sleep(1)

    with speaking(begin) as url:
        outcome = post(url)
    assert outcome.accepted
    assert outcome.shown["body"] == "beginning"


def test_only_the_beginning_of_an_answer_is_read(receiver: Receiver) -> None:
    headers = {f"x-{number}": "y" * 1000 for number in range(40)}
    receiver.behave = lambda _: Answer(500, headers, b"a\0" + b"b" * 10_000_000)
    shown = post(receiver.url).shown
    assert shown["body"] == "a\N{REPLACEMENT CHARACTER}" + "b" * (posting.BODY_BYTES - 2)
    assert len(shown["headers"]) == posting.MOST_HEADERS
    assert max(map(len, shown["headers"].values())) == posting.LONGEST_TEXT


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 200_000], ids=len
)
def test_what_is_no_answer_is_an_error(said: bytes) -> None:
    def say(connection: socket.socket) -> None:
        take_request(connection)
        connection.sendall(said)

    with speaking(say) as url:
        assert "ProtocolError" in error_of(post(url))


def test_a_receiver_that_is_away_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert error_of(post(f"http://127.0.0.1:{port}/")).startswith("ConnectError: ")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_this_machine_is_refused_however_it_is_written(receiver: Receiver, host: str) -> None:
    url = receiver.url.replace("127.0.0.1", host)
    assert error_of(post(url, policy=Policy())).startswith("NotAllowedError: ")
    assert receiver.received == []


def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that answers with an allowed address first, and with another one later (DNS rebinding)."""
    asked: list[str] = []
    answers = iter(["127.0.0.1", "169.254.169.254"])
    real = socket.getaddrinfo

    def lookup(host: str | bytes | None, port: int | None, *args: int, **kwargs: int) -> list[tuple]:
        if isinstance(host, bytes):
            host = host.decode()
        if host == "rebinding.example" and not kwargs.get("flags", 0) & socket.AI_NUMERICHOST:
            asked.append(host)
            host = next(answers)
        return real(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    url = receiver.url.replace("127.0.0.1", "rebinding.example")
    assert post(url).accepted
    assert receiver.received[0].headers["host"] == url.split("/")[2]
    assert "rebinding.example has no address to which webhooks may be sent" in error_of(post(url))
    assert len(asked) == 2


def test_names_that_are_looked_up_for_long_hold_up_no_other(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, gone = socket.getaddrinfo, threading.Event()

    def lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not str(host).endswith(".example") or kwargs.get("flags", 0) & socket.AI_NUMERICHOST:
            return real(host, *args, **kwargs)
        if host == "slow.example":
            gone.wait(30)
        return real("127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    slow = ["http://slow.example/"] * 50  # more than there are threads by default
    quick = receiver.url.replace("127.0.0.1", "quick.example")
    outcomes = post_all([*slow, quick], seconds=3)
    gone.set()
    assert outcomes[-1].accepted
    assert "There was no answer within 3 s" in error_of(outcomes[0])


def test_another_address_of_a_host_is_tried_where_one_refuses_connections(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = [ip_address("127.0.0.9"), ip_address("127.0.0.1")]
    monkeypatch.setattr(posting, "literal_addresses", lambda _: two)
    assert post(receiver.url).accepted


def test_the_certificate_of_the_name_is_asked_for_and_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though the connection is to an address."""
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "localhost.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "localhost.pem", TLS / "localhost.key")
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)

    def answer(connection: socket.socket) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                take_request(secured)
                secured.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (ssl.SSLError, ConnectionError):
            pass  # the sender did not trust it

    with speaking(answer) as url:
        assert post(url.replace("http://127.0.0.1", "https://localhost")).accepted
    assert names == ["localhost"]
    with speaking(answer) as url:
        assert "certificate verify failed" in error_of(post(url.replace("http://", "https://")))


def test_a_proxy_gets_names_as_they_are_and_no_address_that_is_refused(receiver: Receiver) -> None:
    proxy = receiver.url.removesuffix("/hook")
    assert post("http://inside.example:90/hook", policy=Policy(), proxy=proxy).accepted
    assert receiver.received[0].path == "http://inside.example:90/hook"
    assert receiver.received[0].verified(SECRET)
    assert error_of(post("http://127.1/", policy=Policy(), proxy=proxy)).startswith("NotAllowedError: ")


def test_a_fault_of_ours_is_an_error_of_that_try_alone(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(posting, "_beginning", lambda _: 1 / 0)
    assert error_of(post(receiver.url)) == "ZeroDivisionError: division by zero"
    assert "webhook.unexpected" in caplog.messages


def test_settings_of_proxies_that_are_made_for_others_are_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert post(receiver.url).accepted


def take_request(connection: socket.socket) -> None:
    """Read all of it: a connection that is closed with bytes unread is reset."""
    with connection.makefile("rb") as request:
        request.readline()
        request.read(int(parse_headers(request)["content-length"]))


@contextmanager
def speaking(speak: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that speaks to its first visitor as told; yields its URL."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection, suppress(ConnectionError):  # the sender does not wait
            speak(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join(70)
