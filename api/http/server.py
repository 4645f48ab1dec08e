"""The HTTP server, which does not let streams that could go on for hours keep it from stopping."""

import socket
from typing import Any

import uvicorn
from fastapi import FastAPI

KEEP_ALIVE_SECONDS = 75
"""Longer than clients and proxies keep idle connections, so that it is they who close them.

The other way round a request may be sent just when the server hangs up, and it is the client's guess what became of it.
"""


class Server(uvicorn.Server):
    """Serves the application; logs are ours."""

    def __init__(self, app: FastAPI, **options: Any) -> None:
        config = uvicorn.Config(
            app, log_config=None, access_log=False, timeout_keep_alive=KEEP_ALIVE_SECONDS, **options
        )
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the event streams, whose clients come back to the next server, then wait for the other requests."""
        self._app.state.context.feed.close()
        await super().shutdown(sockets)
