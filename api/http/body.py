"""Reading request bodies with a size limit."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

import anyio
from fastapi import Request
from pydantic import BaseModel, ValidationError

from api.errors import (
    InvalidRequestError,
    ServiceError,
    TooLargeError,
    TooSlowError,
    UnsupportedBodyError,
)
from api.http.problems import field_errors, summarise
from td3core.config.faults import Fault, faults

DRAIN_BYTES = 64 << 20
DRAIN_SECONDS = 5.0
SILENCE_SECONDS = 30.0
LEAST_RATE = 1024  # bytes a second, on average
JSON = "application/json"
MAX_FIELDS_BYTES = 64 << 10

Model = TypeVar("Model", bound=BaseModel)


async def read_json(request: Request, *, max_bytes: int) -> bytes:
    """Return the whole body, which is JSON or nothing; unlike the framework, only up to a maximum size.

    A body of another media type is refused, because pages of other sites can send some without asking.

    Raises:
        TooLargeError: The body is larger.
        TooSlowError: It comes too slowly.
        UnsupportedBodyError: It is not sent as JSON.
    """
    body, stream = bytearray(), timely(request.stream())
    async for piece in stream:
        body += piece
        if len(body) > max_bytes:
            error = TooLargeError(f"The body is larger than {max_bytes} bytes.")
            await drain(stream, error)
            raise error
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != JSON:
        raise UnsupportedBodyError(
            f"The media type of the body is {kind or 'missing'}; expected {JSON}.", headers={"Accept": JSON}
        )
    return bytes(body)


async def read_fields(request: Request, model: type[Model]) -> Model:
    """Read a small JSON object; an empty body stands for one without fields.

    Raises:
        InvalidRequestError: Names each invalid field, what it got and what was expected.
        ServiceError: As for `read_json`.
    """
    return parse_fields(await read_json(request, max_bytes=MAX_FIELDS_BYTES), model)


def fields_of(model: type[Model]) -> Callable[[Request], Awaitable[Model]]:
    """A dependency that reads a small JSON object, for routes that do the rest in a thread."""

    async def read(request: Request) -> Model:
        return await read_fields(request, model)

    return read


def parse_fields(sent: bytes, model: type[Model], *, part: str = "") -> Model:
    """Parse a JSON object; nothing stands for one without fields.

    Args:
        sent: The JSON document.
        model: Its model.
        part: The part of the form that it came in; empty: it was the body.

    Raises:
        InvalidRequestError: Names each invalid field, what it got and what was expected.
    """
    try:
        fields = model.model_validate_json(sent or b"{}")
    except ValidationError as error:
        raise _invalid(faults(error.errors(include_url=False), model), part) from None
    if found := repeated_fields(sent or b"{}"):
        raise _invalid(found, part)
    return fields


def _invalid(found: Iterable[Fault], part: str) -> InvalidRequestError:
    within = (part,) if part else ()
    found = [replace(fault, path=(*within, *fault.path)) for fault in found]
    return InvalidRequestError(
        f"The request is invalid: {summarise(found)}", errors=field_errors(found, whole="body")
    )


async def timely(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the pieces of a body, as long as they come fast enough.

    Raises:
        TooSlowError: There was a pause, or the pieces are so small that the body would take for ever.
    """
    started, size = anyio.current_time(), 0
    while True:
        piece: bytes | None = None
        with anyio.move_on_after(SILENCE_SECONDS):
            piece = await anext(body, b"")
        if piece is None:
            raise TooSlowError(f"Nothing came for {SILENCE_SECONDS:g} s.", headers={"Connection": "close"})
        if not piece:
            return
        size += len(piece)
        seconds = anyio.current_time() - started
        if seconds > SILENCE_SECONDS and size < LEAST_RATE * seconds:
            raise TooSlowError(
                f"{size} bytes came in {seconds:.0f} s; expected at least {LEAST_RATE} bytes a second.",
                headers={"Connection": "close"},
            )
        yield piece


async def drain(body: AsyncIterator[bytes], error: ServiceError) -> None:
    """Read the rest of the body for a limited time, so that a client that is still sending gets the response.

    Otherwise it would see a connection reset. If the client takes longer, the connection is closed after the response.
    """
    drained = 0
    with anyio.move_on_after(DRAIN_SECONDS):
        async for piece in body:
            drained += len(piece)
            if drained > DRAIN_BYTES:
                break
        else:
            return
    error.headers["Connection"] = "close"


def repeated_fields(sent: bytes) -> list[Fault]:
    """The fields that are given twice, of which a parser would take the last and say nothing."""
    found: list[Fault] = []

    def watched(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for name, value in pairs:
            if name in fields:
                found.append(Fault((name,), value, expected="one value (the field is repeated)"))
            fields[name] = value
        return fields

    json.loads(sent, object_pairs_hook=watched)
    return found
