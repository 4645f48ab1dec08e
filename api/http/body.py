"""Reading a request's body, and no more of it than is wanted."""

from collections.abc import AsyncIterator

import anyio
from fastapi import Request

from api.errors import ServiceError, TooLargeError

DRAIN_BYTES = 64 << 20
DRAIN_SECONDS = 5.0


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """Return the whole body; the framework would read one of any size before the route is asked.

    Raises:
        TooLargeError: It is larger than that.
    """
    body, stream = bytearray(), request.stream()
    async for piece in stream:
        body += piece
        if len(body) > max_bytes:
            error = TooLargeError(f"The body is larger than {max_bytes} bytes.")
            await drain(stream, error)
            raise error
    return bytes(body)


async def drain(body: AsyncIterator[bytes], error: ServiceError) -> None:
    """Read on for a moment before `error` is answered: a client that is still sending would see a reset instead.

    The connection of one that goes on sending is closed with the answer.
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
