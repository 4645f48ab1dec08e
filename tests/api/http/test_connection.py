"""What a client can hold by sending little, slowly, for ever, in tiny pieces, or by reading nothing."""

import contextlib
import hashlib
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPResponse

import httpx
import pytest

from api.http import connection as connections
from api.settings import Settings
from tests.support.interaction_logs import LOG
from tests.support.live_api import running_api
from tests.support.problems import problem

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)

HOST = b"Host: localhost\r\n"
FORM = b"--x\r\nContent-Disposition: form-data; name=dataset\r\n\r\n" + LOG.encode() + b"\r\n--x--\r\n"
UPLOAD = b"POST /jobs HTTP/1.1\r\n" + HOST + b"Content-Type: multipart/form-data; boundary=x\r\n"
LONG = 30.0
"""Seconds after which a test fails; none waits for so long."""


def connect(api: httpx.Client) -> socket.socket:
    return socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout=LONG)


def all_of(client: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(2**16):
            received += piece
    return received


def answered(client: socket.socket) -> int:
    """The status of the next response, which is read to its end."""
    response = HTTPResponse(client)
    response.begin()
    response.read()
    return response.status


def refusal(answer: bytes, status: int, code: str) -> None:
    """Check an answer that the application did not give."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    for header in (
        b"content-type: application/problem+json",
        b"connection: close",
        b"x-content-type-options: nosniff",
    ):
        assert header in head.lower()
    told = json.loads(body)
    assert (told["status"], told["code"]) == (status, code)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_SECONDS", "DRAIN_SECONDS", "SILENCE_SECONDS"):
        monkeypatch.setattr(connections, name, 0.3)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "first", [b"", b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"], ids=["first", "later"]
)
def test_a_head_that_comes_too_slowly_is_given_up(api: httpx.Client, first: bytes) -> None:
    """Of the first request and of a later one, though a byte comes now and then."""
    with closing(connect(api)) as client:
        client.sendall(first + b"GET /healthz HTTP/1.1\r\n" + HOST)
        client.settimeout(0.05)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while b'"request_timeout"' not in answer:
                client.sendall(b"A")
                with contextlib.suppress(TimeoutError):
                    answer += client.recv(2**16)
    refusal(answer[answer.rindex(b"HTTP/1.1") :], 408, "request_timeout")


@pytest.mark.usefixtures("impatient")
def test_a_connection_without_a_request_is_closed(api: httpx.Client) -> None:
    with closing(connect(api)) as client:
        assert all_of(client) == b""


@pytest.mark.usefixtures("impatient")
def test_an_idle_connection_stays_open(api: httpx.Client) -> None:
    """The deadlines are for requests that were begun."""
    request = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    with closing(connect(api)) as client:
        for _ in range(2):
            client.sendall(request)
            assert answered(client) == 200
            time.sleep(0.6)


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (b"\x00\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"a b: c\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 2**17, 431, "request_header_fields_too_large"),
    ],
)
def test_what_is_no_request_is_told_as_a_problem(
    api: httpx.Client, head: bytes, status: int, code: str
) -> None:
    with closing(connect(api)) as client:
        client.sendall(head)
        refusal(all_of(client), status, code)


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        (f"/{'a' * 9000}", {}, 414, "address_too_long"),
        (f"/jobs?{'a' * 9000}", {}, 414, "address_too_long"),
        ("/jobs", {f"x-{number}": "" for number in range(120)}, 431, "head_too_large"),
        ("/jobs", {f"x-{number}": "a" * 8000 for number in range(5)}, 431, "head_too_large"),
    ],
)
def test_a_large_head_is_refused(
    api: httpx.Client, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with closing(connect(api)) as client:
        client.sendall(f"{head}\r\n".encode())
        answer = all_of(client)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert f'"code":"{code}"'.encode() in answer
    assert len(answer) < 4000


@pytest.mark.parametrize("framing", [b"Transfer-Encoding: chunked\r\n", b"Content-Length: 99999999999\r\n"])
def test_a_body_that_nobody_needs_is_read_for_a_while(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch, framing: bytes
) -> None:
    """Its client gets the answer, and cannot go on for ever."""
    monkeypatch.setattr(connections, "DRAIN_BYTES", 2**20)
    sent, piece = 0, b"10000\r\n" + b"x" * 2**16 + b"\r\n"
    with closing(connect(api)) as client:
        client.sendall(b"POST /nowhere HTTP/1.1\r\n" + HOST + framing + b"\r\n")
        assert answered(client) == 404
        with contextlib.suppress(ConnectionError):
            while sent < 2**28:
                client.sendall(piece)
                sent += len(piece)
    assert sent < 2**26


@pytest.mark.usefixtures("impatient")
def test_a_body_that_nobody_needs_is_not_waited_for(api: httpx.Client) -> None:
    with closing(connect(api)) as client:
        client.sendall(b"POST /nowhere HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\nx")
        assert all_of(client).startswith(b"HTTP/1.1 404 ")


def test_a_body_that_nobody_needs_may_end(api: httpx.Client) -> None:
    """The connection is good for the next request."""
    with closing(connect(api)) as client:
        client.sendall(b"POST /nowhere HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\n\r\n")
        assert answered(client) == 404
        client.sendall(b"bodyGET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
        assert answered(client) == 200


def test_a_log_in_chunks_of_a_byte_is_received_whole(api: httpx.Client) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in FORM)
    with closing(connect(api)) as client:
        client.sendall(
            UPLOAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunks + b"0\r\n\r\n"
        )
        head, _, body = all_of(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 202 ")
    assert json.loads(body)["dataset"]["sha256"] == hashlib.sha256(LOG.encode()).hexdigest()


@pytest.fixture
def few(settings: Settings) -> Iterator[httpx.Client]:
    with running_api(settings.model_copy(update={"max_connections": 10})) as api:
        yield api


def test_a_new_connection_takes_the_place_of_the_one_that_was_idle_longest(few: httpx.Client) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(closing(connect(few))) for _ in range(10)]
        for client in idle:
            client.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
            assert answered(client) == 200
        assert few.get("/jobs").status_code == 200
        assert idle[0].recv(1) == b""
        idle[-1].sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
        assert answered(idle[-1]) == 200


def test_if_all_connections_are_at_work_others_are_told_to_come_again(few: httpx.Client) -> None:
    with ExitStack() as stack:
        for _ in range(10):
            client = stack.enter_context(closing(connect(few)))
            client.sendall(UPLOAD + b"Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n")
            assert client.recv(2**16).startswith(b"HTTP/1.1 100 ")
        refused = few.get("/jobs")
        assert "connections" in problem(refused, 503, "busy")["detail"]
        assert (refused.headers["retry-after"], refused.headers["connection"]) == ("5", "close")
        assert few.get("/healthz").status_code == few.get("/readyz").status_code == 200
    deadline = time.monotonic() + LONG
    while few.get("/jobs").status_code != 200:
        assert time.monotonic() < deadline


@pytest.mark.usefixtures("impatient")
def test_a_client_that_does_not_read_is_given_up(api: httpx.Client) -> None:
    """After a while, in which as much was sent as the system buffers."""
    asked = 200
    document = len(api.get("/openapi.json").content)
    with closing(connect(api)) as client:
        client.sendall((b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n") * asked)
        time.sleep(2)
        assert len(all_of(client)) < asked * document / 2
