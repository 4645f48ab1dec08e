"""Executing a request that creates something, with or without an `Idempotency-Key`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import structlog
from fastapi import Header
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.db import Database
from api.errors import KeyReusedError
from api.http.context import Context
from api.idempotency import keys
from api.idempotency.keys import Answer, Answered, Held

RENEW_SECONDS = 5.0

log = structlog.get_logger(__name__)

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Unique key chosen by the client for this request. If the request is sent again with the same key, "
        "nothing is created and the response is the same, with `Idempotent-Replayed: true`.",
    ),
]


def respond(answer: Answer, **headers: str) -> JSONResponse:
    """Build the HTTP response."""
    return JSONResponse(answer.body, answer.status, {"Location": answer.location, **headers})


@dataclass(frozen=True, slots=True)
class Guard:
    """The state of the key of a request."""

    under: Held | Answered | None
    lifetime: timedelta

    def replay(self, request: str) -> JSONResponse | None:
        """Return the response that this request got before, if there is one.

        Raises:
            KeyReusedError: The key was used for another request.
        """
        if not isinstance(self.under, Answered):
            return None
        if self.under.request != request:
            raise KeyReusedError("This Idempotency-Key was used for another request; use a new one.")
        return respond(self.under.answer, **{"Idempotent-Replayed": "true"})

    def keep(self, session: Session, answer: Answer, *, request: str) -> None:
        """Store the response, in the transaction that creates the resource.

        Raises:
            KeyInUseError: The lease of this request has expired, and another request has the key.
        """
        if isinstance(self.under, Held):
            keys.keep(session, self.under, answer, request=request, lifetime=self.lifetime)


@asynccontextmanager
async def guarded(context: Context, *, tenant_id: str, route: str, key: str | None) -> AsyncIterator[Guard]:
    """Lock the key while the block processes the request.

    Raises:
        KeyInUseError: Another request has locked it.
    """
    database = context.database
    under = None if key is None else await run_in_threadpool(keys.acquire, database, tenant_id, route, key)
    guard = Guard(under, timedelta(seconds=context.settings.idempotency_seconds))
    if not isinstance(under, Held):
        yield guard
        return
    renewal = asyncio.create_task(_renew(database, under))
    try:
        yield guard
    finally:
        renewal.cancel()
        with contextlib.suppress(SQLAlchemyError):  # then it expires
            await run_in_threadpool(keys.give_up, database, under)


async def _renew(database: Database, held: Held) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            await run_in_threadpool(keys.renew, database, held)
        except SQLAlchemyError as error:
            log.warning("idempotency.database_unavailable", error=str(error))
