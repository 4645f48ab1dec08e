"""The HTTP server, which does not let streams that could go on for hours keep it from stopping."""

import socket
from typing import Any

import uvicorn
from fastapi import FastAPI


class Server(uvicorn.Server):
    """Serves the application; logs are ours."""

    def __init__(self, app: FastAPI, **options: Any) -> None:
        super().__init__(uvicorn.Config(app, log_config=None, access_log=False, **options))
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the event streams, whose clients come back to the next server, then wait for the other requests."""
        self._app.state.context.feed.close()
        await super().shutdown(sockets)
