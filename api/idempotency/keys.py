"""The rows of keys: taken by one request at a time, answered once, and forgotten when they expire."""

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
"""How long a request holds a key that it does not renew: its process died."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a creating request is answered with."""

    status: int
    location: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """The right of one request to create something under a key."""

    tenant_id: str
    route: str
    key: str
    holder: str

    @property
    def holds(self) -> ColumnElement[bool]:
        """The fence: true of the row while it is this request's and has no answer."""
        return and_(
            IdempotencyKey.tenant_id == self.tenant_id,
            IdempotencyKey.route == self.route,
            IdempotencyKey.key == self.key,
            IdempotencyKey.holder == self.holder,
            IdempotencyKey.status.is_(None),
        )


@dataclass(frozen=True, slots=True)
class Answered:
    """What a key was used for, and brought."""

    request: str
    answer: Answer


def digest(*parts: Any) -> str:
    """What tells a request from others: the SHA-256 of its parts as canonical JSON."""
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def acquire(database: Database, tenant_id: str, route: str, key: str) -> Held | Answered:
    """Take the key if it is free or has expired, else find what it brought.

    Raises:
        KeyInUseError: Another request holds it.
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
    except IntegrityError:  # of two at once the other was first
        raise in_use() from None


def _answered(row: IdempotencyKey) -> Answered:
    if row.request is None or row.status is None or row.location is None or row.body is None:
        raise in_use()
    return Answered(row.request, Answer(row.status, row.location, row.body))


def renew(database: Database, held: Held) -> None:
    """Hold the key for longer."""
    with database.transaction() as session:
        session.execute(update(IdempotencyKey).where(held.holds).values(expires_at=now(session) + LEASE))


def give_up(database: Database, held: Held) -> None:
    """Leave the key free, unless an answer was kept under it."""
    with database.transaction() as session:
        session.execute(delete(IdempotencyKey).where(held.holds))


def keep(session: Session, held: Held, answer: Answer, *, request: str, lifetime: timedelta) -> None:
    """Keep the answer, in the transaction that creates what it tells of.

    Raises:
        KeyInUseError: This request was taken for dead, and the key belongs to another now.
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
    """Forget the keys that have expired."""
    session.execute(
        delete(IdempotencyKey)
        .where(IdempotencyKey.expires_at < now(session))
        .execution_options(synchronize_session=False)
    )


def in_use() -> KeyInUseError:
    """The refusal that says when to ask again."""
    return KeyInUseError(
        "A request with this Idempotency-Key is in progress; retry in a moment to get its response.",
        headers={"Retry-After": "2"},
    )
