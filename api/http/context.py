"""The components of a running service, which requests use."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import anyio
from celery import Celery
from fastapi import Depends, Request

from api.db import Database
from api.keys.uses import Uses
from api.outbox import Outbox
from api.queue import make_celery
from api.runs.feed import Feed
from api.settings import Settings
from api.storage import Storage, open_storage

if TYPE_CHECKING:
    from api.oidc.tokens import Tokens

VALIDATIONS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Context:
    """The components, which are opened when the application starts and closed when it stops."""

    settings: Settings
    database: Database
    storage: Storage
    celery: Celery
    outbox: Outbox
    feed: Feed
    uses: Uses
    tokens: "Tokens | None"
    """Checks tokens of issuers; None: there are none, and only keys let callers in."""
    validations: anyio.CapacityLimiter
    """Limits concurrent validations, because reading a large log takes memory."""

    uploads: asyncio.Semaphore
    """Limits concurrent uploads, each of which holds a file and a connection."""

    def close(self) -> None:
        """Write what is not written yet, and close the connections."""
        self.uses.close()
        self.celery.close()
        self.database.close()


def open_context(settings: Settings) -> Context:
    """Open all components. They connect when they are first used.

    Raises:
        SettingsError: A setting is missing or invalid.
    """
    database = Database(settings.database_url, limits=settings.database_limits, name="td3 api")
    celery = make_celery(settings.required_broker_url, settings.queue)
    return Context(
        settings=settings,
        database=database,
        storage=open_storage(settings.storage_url),
        celery=celery,
        outbox=Outbox(database, celery, resend=timedelta(seconds=settings.resend_seconds)),
        feed=Feed(database),
        uses=Uses(database),
        tokens=_open_tokens(settings),
        uploads=asyncio.Semaphore(settings.max_uploads),
        validations=anyio.CapacityLimiter(VALIDATIONS_AT_ONCE),
    )


def _open_tokens(settings: Settings) -> "Tokens | None":
    """Load what checks signatures only where there are some: it takes time and memory."""
    if not settings.issuers:
        return None
    from api.oidc.keys import Waits
    from api.oidc.tokens import Tokens

    waits = Waits(settings.oidc_refresh_seconds, settings.oidc_keep_seconds, settings.oidc_retry_seconds)
    return Tokens(settings.issuers, waits, skew=settings.oidc_skew_seconds)


def request_context(request: Request) -> Context:
    """The context of the application of this request."""
    return request.app.state.context


Service = Annotated[Context, Depends(request_context)]
