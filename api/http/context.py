"""What a request works with: the parts of one running service."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import anyio
from celery import Celery
from fastapi import Depends, Request

from api.db import Database
from api.outbox import Outbox
from api.queue import make_celery
from api.runs.feed import Feed
from api.settings import Settings
from api.storage import Storage, open_storage

VALIDATIONS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Context:
    """Opened when the application starts, closed when it stops."""

    settings: Settings
    database: Database
    storage: Storage
    celery: Celery
    outbox: Outbox
    feed: Feed
    validations: anyio.CapacityLimiter
    """Reading a large log takes memory, so few are read at once; the others wait their turn."""

    def close(self) -> None:
        """Give up the connections."""
        self.celery.close()
        self.database.close()


def open_context(settings: Settings) -> Context:
    """Open all parts; none of them connects before it is used.

    Raises:
        SettingsError: A setting is missing or wrong.
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
        validations=anyio.CapacityLimiter(VALIDATIONS_AT_ONCE),
    )


def request_context(request: Request) -> Context:
    """The context of the application that serves this request."""
    return request.app.state.context


Service = Annotated[Context, Depends(request_context)]
