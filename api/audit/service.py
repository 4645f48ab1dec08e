"""Operations on the audit log. Entries are written by the services whose changes they record, and never changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from api.db import Database, clock, now
from api.ids import new_id
from api.models import AuditEntry
from api.pages import RowPage, page_of
from api.telemetry import correlation

BATCH = 500


class Action(StrEnum):
    """What was done."""

    PROJECT_CREATED = "project.created"
    PROJECT_CHANGED = "project.changed"
    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    JOB_SUBMITTED = "job.submitted"
    JOB_CANCELLED = "job.cancelled"
    JOB_PAUSED = "job.paused"
    JOB_RESUMED = "job.resumed"
    JOB_CHANGED = "job.changed"
    JOB_DELETED = "job.deleted"
    JOB_RESTORED = "job.restored"
    EVALUATION_SUBMITTED = "evaluation.submitted"
    EVALUATION_CANCELLED = "evaluation.cancelled"
    EVALUATION_CHANGED = "evaluation.changed"
    EVALUATION_DELETED = "evaluation.deleted"
    EVALUATION_RESTORED = "evaluation.restored"
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_CHANGED = "webhook.changed"
    WEBHOOK_ROTATED = "webhook.rotated"
    WEBHOOK_REMOVED = "webhook.removed"
    MEMBER_ADDED = "member.added"
    MEMBER_CHANGED = "member.changed"
    MEMBER_REMOVED = "member.removed"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are wanted; None: any."""

    action: Action | None = None
    target: str | None = None
    key_id: str | None = None
    user_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def query(self, tenant_id: str) -> Select[AuditEntry]:
        """Select the entries of this project that are wanted."""
        query = select(AuditEntry).where(AuditEntry.tenant_id == tenant_id)
        for column, value in (
            (AuditEntry.action, self.action),
            (AuditEntry.target, self.target),
            (AuditEntry.key_id, self.key_id),
            (AuditEntry.user_id, self.user_id),
        ):
            if value is not None:
                query = query.where(column == value)
        if self.since is not None:
            query = query.where(AuditEntry.created_at >= self.since)
        if self.until is not None:
            query = query.where(AuditEntry.created_at < self.until)
        return query


def record(
    session: Session,
    action: Action,
    target: str,
    *,
    tenant_id: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Record a change in its transaction; who made it, from where, is that of the current request."""
    session.add(
        AuditEntry(
            id=new_id("audit"),
            tenant_id=tenant_id,
            created_at=clock(session),
            action=action,
            target=target,
            before=before,
            after=after,
            key_id=correlation.current_key_id(),
            user_id=correlation.current_user_id(),
            user=correlation.user.get(),
            address=correlation.client_address.get(),
            request_id=correlation.current_request_id(),
        )
    )


def page(
    session: Session, wanted: Filter, *, tenant_id: str, limit: int, cursor: str | None
) -> RowPage[AuditEntry]:
    """List the entries of this project that are wanted, newest first."""
    return page_of(session, wanted.query(tenant_id), AuditEntry, limit=limit, cursor=cursor)


def export(database: Database, wanted: Filter, *, tenant_id: str) -> Iterator[AuditEntry]:
    """Yield the entries of this project that are wanted, oldest first, without holding a connection in between."""
    after = ""
    while True:
        query = wanted.query(tenant_id).where(AuditEntry.id > after).order_by(AuditEntry.id).limit(BATCH)
        with database.reading() as session:
            found = session.scalars(query).all()
        yield from found
        if len(found) < BATCH:
            return
        after = found[-1].id


def sweep(session: Session, *, retention: timedelta) -> None:
    """Delete the entries that are older than the retention."""
    session.execute(
        delete(AuditEntry)
        .where(AuditEntry.created_at < now(session) - retention)
        .execution_options(synchronize_session=False)
    )
