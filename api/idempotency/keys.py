"""The rows of idempotency keys: locked by one request at a time, answered once, and deleted when they expire."""

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from api.db import Database, now
from api.errors import KeyInUseError
from api.models import IdempotencyKey

LEASE = timedelta(seconds=15)
"""Time after which a key is released that its request does not renew, because its process has died."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a request that creates something."""

    status: int
    location: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """The lock of one request on a key."""

    tenant_id: str
    route: str
    key: str
    holder: str

    @property
    def holds(self) -> ColumnElement[bool]:
        """The fence: a condition that is true for the row while this request has locked it and it has no response."""
        return and_(
            IdempotencyKey.tenant_id == self.tenant_id,
            IdempotencyKey.route == self.route,
            IdempotencyKey.key == self.key,
            IdempotencyKey.holder == self.holder,
            IdempotencyKey.status.is_(None),
        )


@dataclass(frozen=True, slots=True)
class Answered:
    """The request for which a key was used, and its response."""

    request: str
    answer: Answer


def digest(*parts: Any) -> str:
    """Return the SHA-256 of the parts as canonical JSON, which identifies a request."""
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def acquire(database: Database, tenant_id: str, route: str, key: str) -> Held | Answered:
    """Lock the key if it is free or has expired, otherwise return its response.

    Raises:
        KeyInUseError: Another request has locked it.
    """
    try:
        with database.transaction() as session:
            at = now(session)
            row = session.get(IdempotencyKey, (tenant_id, route, key), with_for_update=True)
            if row is not None and row.expires_at >= at:
                return _answered(row)
            if row is None:
                row = IdempotencyKey(tenant_id=tenant_id, route=route, key=key)
                session.add(row)
            row.holder, row.expires_at = uuid.uuid4().hex, at + LEASE
            row.request = row.status = row.location = row.body = None
            return Held(tenant_id, route, key, row.holder)
    except IntegrityError:  # a concurrent request was first
        raise in_use() from None


def _answered(row: IdempotencyKey) -> Answered:
    if row.request is None or row.status is None or row.location is None or row.body is None:
        raise in_use()
    return Answered(row.request, Answer(row.status, row.location, row.body))


def renew(database: Database, held: Held) -> None:
    """Extend the lock of the key."""
    with database.transaction() as session:
        session.execute(update(IdempotencyKey).where(held.holds).values(expires_at=now(session) + LEASE))


def give_up(database: Database, held: Held) -> None:
    """Release the key, unless a response was stored for it."""
    with database.transaction() as session:
        session.execute(delete(IdempotencyKey).where(held.holds))


def keep(session: Session, held: Held, answer: Answer, *, request: str, lifetime: timedelta) -> None:
    """Store the response, in the transaction that creates the resource.

    Raises:
        KeyInUseError: The lease of this request has expired, and another request has the key.
    """
    kept = session.scalar(
        update(IdempotencyKey)
        .where(held.holds)
        .values(
            request=request,
            status=answer.status,
            location=answer.location,
            body=answer.body,
            expires_at=now(session) + lifetime,
        )
        .returning(IdempotencyKey.holder)
        .execution_options(synchronize_session=False)
    )
    if kept is None:
        raise in_use()


def sweep(session: Session) -> None:
    """Delete expired keys."""
    session.execute(
        delete(IdempotencyKey)
        .where(IdempotencyKey.expires_at < now(session))
        .execution_options(synchronize_session=False)
    )


def in_use() -> KeyInUseError:
    """The error, with the time after which to retry."""
    return KeyInUseError(
        "A request with this Idempotency-Key is in progress; retry in a moment to get its response.",
        headers={"Retry-After": "2"},
    )
