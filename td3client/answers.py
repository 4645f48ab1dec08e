"""Reading what a server answers.

It may be another service than was meant, a proxy with a login page, or a hostile one: an answer is read up to a size
and for a time, has to be JSON, and has to have the shape that the service's answers have.
"""

import json
import time
from collections.abc import Iterator
from typing import Any, NoReturn, cast

import httpx

from td3client.errors import MissingFieldError, ServiceProblem, UnexpectedAnswerError
from td3client.shapes import ShapeError, check_shape
from td3client.text import plain_line

UNENCODED = {"Accept-Encoding": "identity"}
"""Header that asks for answers as they are: what is packed may unpack to any size."""

LARGEST_ANSWER = 32 << 20  # bytes; a page of a hundred large evaluations is a third of that
LARGEST_PROBLEM = 1 << 20
LARGEST_EVENT = 1 << 20
ANSWER_SECONDS = 120.0
"""From the head of an answer to its end."""

_SHOWN = 500  # characters of a page that is no answer
_LARGEST_NUMBER = 2**63


class Fields(dict[str, Any]):
    """An object of an answer; a field that is not there is an error of the client."""

    def __missing__(self, name: str) -> NoReturn:
        raise MissingFieldError(name)


def read_answer(response: httpx.Response, kind: Any) -> Any:
    """Return the JSON of an answer of the shape `kind`, a type of `td3client.resources`.

    Raises:
        ServiceProblem: It says that the request failed.
        UnexpectedAnswerError: It is none of the service, or does not end.
    """
    check_head(response)
    check_type(response, "application/json")
    body = _read(response, LARGEST_ANSWER)
    return parse(body, kind, response)


def parse(text: bytes | str, kind: Any, response: httpx.Response) -> Any:
    """Return the value of a JSON text; raises UnexpectedAnswerError where it is none of the shape."""
    try:
        value = json.loads(
            text, object_hook=Fields, parse_constant=_number, parse_float=_number, parse_int=_whole_number
        )
        check_shape(kind, value, "answer")
    except ShapeError as error:
        raise UnexpectedAnswerError(response.url, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise UnexpectedAnswerError(response.url, f"it is not JSON of a service: {error}") from error
    return value


def check_head(response: httpx.Response) -> None:
    """Raise unless the answer is a good one and its body can be read as it is.

    Raises:
        ServiceProblem: It says that the request failed.
        UnexpectedAnswerError: It redirects elsewhere, or is packed.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnexpectedAnswerError(response.url, f"it is packed as {encoding!r}, which was not asked for")
    if response.is_redirect:
        target = response.headers.get("Location", "nowhere")
        raise UnexpectedAnswerError(
            response.url,
            f"it redirects to {plain_line(target)[:_SHOWN]}, perhaps to log in; the client does not follow",
        )
    if not response.is_success:
        raise ServiceProblem(response.status_code, _problem(response))


def check_type(response: httpx.Response, expected: str) -> None:
    """Raise UnexpectedAnswerError unless the body is of the media type."""
    found = response.headers.get("Content-Type", "")
    if found.partition(";")[0].strip().lower() != expected:
        raise UnexpectedAnswerError(
            response.url, f"it is {plain_line(found)[:100] or 'of no type'}, where {expected} was expected"
        )


class BoundedEvents(httpx.SyncByteStream):
    """The bytes of a stream of events, none of which is larger than `LARGEST_EVENT`."""

    def __init__(self, response: httpx.Response) -> None:
        self._stream = cast("httpx.SyncByteStream", response.stream)
        self._url = response.url

    def __iter__(self) -> Iterator[bytes]:
        """Yield the chunks; raises UnexpectedAnswerError once an event has become too large."""
        size, last = 0, b""
        for chunk in self._stream:
            last = last[-3:] + chunk
            ended = max(last.rfind(blank) for blank in (b"\n\n", b"\r\n\r\n", b"\r\r"))
            size = size + len(chunk) if ended < 0 else len(last) - ended
            if size > LARGEST_EVENT:
                raise UnexpectedAnswerError(self._url, f"an event has more than {LARGEST_EVENT:,} bytes")
            yield chunk

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()


def _read(response: httpx.Response, most: int) -> bytes:
    until = time.monotonic() + ANSWER_SECONDS
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > most:
            raise UnexpectedAnswerError(response.url, f"it has more than {most:,} bytes")
        if time.monotonic() > until:
            raise UnexpectedAnswerError(response.url, f"it did not end within {ANSWER_SECONDS:.0f} seconds")
    return bytes(body)


def _problem(response: httpx.Response) -> dict[str, Any]:
    """Return the fields of a problem document; of another page its beginning."""
    body = _read(response, LARGEST_PROBLEM)
    if response.headers.get("Content-Type", "").startswith("application/problem+json"):
        return parse(body, dict[str, Any], response)
    shown = body[: 4 * _SHOWN].decode(errors="replace")[:_SHOWN]
    return {"detail": f"HTTP {response.status_code}: {shown}"}


def _number(text: str) -> float:
    number = float(text)
    if number - number != 0:  # infinite, or none
        raise ValueError(f"{text[:20]} is not a number")
    return number


def _whole_number(text: str) -> int:
    number = int(text)
    if abs(number) > _LARGEST_NUMBER:
        raise ValueError(f"{text[:20]}... is too large")
    return number
