"""The HTTP server, which ends long-running event streams when it stops."""

import socket
from typing import Any

import uvicorn
from fastapi import FastAPI

KEEP_ALIVE_SECONDS = 75
"""Longer than clients and proxies keep idle connections, so that they close them first.

Otherwise a client may send a request just when the server closes the connection, and not know whether it was processed.
"""


class Server(uvicorn.Server):
    """Uvicorn with our logging and shutdown."""

    def __init__(self, app: FastAPI, **options: Any) -> None:
        config = uvicorn.Config(
            app, log_config=None, access_log=False, timeout_keep_alive=KEEP_ALIVE_SECONDS, **options
        )
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the event streams, whose clients will reconnect, and then wait for the other requests."""
        self._app.state.context.feed.close()
        await super().shutdown(sockets)
