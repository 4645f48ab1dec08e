import asyncio
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from api.http.connection import TURN, Connection

LONG = 30.0
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_other_connections_have_their_turn_between_tiny_chunks() -> None:
    """However many come at once."""
    chunks, seen, most = 20_000, 0, 0

    async def count(scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        nonlocal seen
        message = {"more_body": True}
        while message["more_body"]:
            message = await receive()
            seen += len(message["body"])
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    async def watch() -> None:
        nonlocal most
        while True:
            before = seen
            await asyncio.sleep(0)
            most = max(most, seen - before)

    async def run() -> bytes:
        loop, config = asyncio.get_running_loop(), uvicorn.Config(count, log_config=None)
        state = ServerState()
        server = await loop.create_server(lambda: Connection(config, state, {}, loop), "127.0.0.1", 0)
        async with server, asyncio.timeout(LONG):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            watcher = asyncio.create_task(watch())
            writer.write(HEAD)
            writer.write(b"1\r\nx\r\n" * chunks + b"0\r\n\r\n")
            answer = await reader.readline()
            watcher.cancel()
            writer.close()
        return answer

    assert asyncio.run(run()).startswith(b"HTTP/1.1 204 ")
    assert seen == chunks
    assert most <= 4 * TURN
