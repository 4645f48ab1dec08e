"""The HTTP server, which ends long-running event streams when it stops."""

import resource
import socket
from typing import Any

import uvicorn
from fastapi import FastAPI

from api.http.connection import Connection

KEEP_ALIVE_SECONDS = 75
"""Longer than clients and proxies keep idle connections, so that they close them first.

Otherwise a client may send a request just when the server closes the connection, and not know whether it was processed.
"""
FILES_OF_A_CONNECTION = 4
"""Files that are open for a connection at most: itself, its log or summary, and what reads it."""
SPARE_FILES = 500


class Server(uvicorn.Server):
    """Uvicorn with our connections, logging and shutdown."""

    def __init__(self, app: FastAPI, *, max_connections: int, **options: Any) -> None:
        config = uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            limit_concurrency=max_connections,
            log_config=None,
            access_log=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            **options,
        )
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the event streams, whose clients will reconnect, and then wait for the other requests."""
        self._app.state.context.feed.close()
        await super().shutdown(sockets)


def allow_connections(count: int) -> None:
    """Let this process have as many files open as so many connections need, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_OF_A_CONNECTION * count + SPARE_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
