"""Reading request bodies with a size limit."""

from collections.abc import AsyncIterator

import anyio
from fastapi import Request

from api.errors import ServiceError, TooLargeError

DRAIN_BYTES = 64 << 20
DRAIN_SECONDS = 5.0


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """Return the whole body, unlike the framework only up to a maximum size.

    Raises:
        TooLargeError: The body is larger.
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
