"""Reading the limits of a project, and reserving what a new run uses.

What is used is counted from the rows themselves, under a lock of the project: there is no second account of it that
could drift away. So a reservation is the row of the run, and it is settled by whatever ends, expires or deletes that.
Nothing is counted or locked for a project without limits.
"""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session

from api.db import clock, now, one_at_a_time
from api.errors import LimitReachedError, QueuedRunsLimitError, StoredBytesLimitError, UploadsLimitError
from api.ids import new_id
from api.limits.bounds import Bounds, Limit, Usage, rate_limit_fields
from api.models import ENDED, RUN_KINDS, Dataset, Job, Project, Run, RunState, SummaryArchive, Upload

UPLOAD_LEASE = timedelta(seconds=30)
"""Time after which an upload no longer counts whose process has disappeared."""

_REFUSED: dict[Limit, tuple[type[LimitReachedError], str, int]] = {
    Limit.QUEUED_RUNS: (QueuedRunsLimitError, "jobs and evaluations that wait or are paused", 30),
    Limit.STORED_BYTES: (StoredBytesLimitError, "bytes of logs and summaries", 300),
    Limit.UPLOADS: (UploadsLimitError, "uploads at once", 5),
}
"""By limit: its error, what is counted, and seconds after which another try makes sense."""


def bounds_of(session: Session, *, tenant_id: str, defaults: Bounds) -> Bounds:
    """Return the limits of a project, given those of the service."""
    own = session.scalar(select(Project.limits).where(Project.id == tenant_id))
    return defaults.of_a_project(own or {})


def reserve(session: Session, *, tenant_id: str, defaults: Bounds, stored: int = 0) -> list[Usage]:
    """Make sure that one more run may wait that stores so many bytes, and that nobody else takes its place.

    The caller writes the rows of the run in the same transaction.

    Returns:
        What is limited, as used with this run.

    Raises:
        LimitReachedError: A limit does not allow it.
    """
    if not bounds_of(session, tenant_id=tenant_id, defaults=defaults).reserves:
        return []
    _lock(session, tenant_id)
    return check(session, tenant_id=tenant_id, defaults=defaults, stored=stored)


def check(session: Session, *, tenant_id: str, defaults: Bounds, stored: int = 0) -> list[Usage]:
    """Do as `reserve`, but hold nothing: others may take the place."""
    bounds = bounds_of(session, tenant_id=tenant_id, defaults=defaults)
    wanted = {Limit.QUEUED_RUNS: 1, Limit.STORED_BYTES: stored}
    limited = {name: more for name, more in wanted.items() if more and bounds[name] is not None}
    return [_with(session, name, more, bounds, tenant_id) for name, more in limited.items()]


def admit(session: Session, *, tenant_id: str, bounds: Bounds) -> str | None:
    """Write down that an upload begins, and return its id; None if uploads of the project are not limited.

    Raises:
        UploadsLimitError: There are as many as there may be.
    """
    if bounds.uploads is None:
        return None
    _lock(session, tenant_id)
    at = now(session)
    _with(session, Limit.UPLOADS, 1, bounds, tenant_id)
    upload = Upload(id=new_id("upload"), tenant_id=tenant_id, expires_at=at + UPLOAD_LEASE)
    session.add(upload)
    return upload.id


def renew(session: Session, upload_id: str) -> None:
    """Say that an upload goes on."""
    session.execute(
        update(Upload).where(Upload.id == upload_id).values(expires_at=now(session) + UPLOAD_LEASE)
    )


def release(session: Session, upload_id: str) -> None:
    """Say that an upload has ended."""
    session.execute(delete(Upload).where(Upload.id == upload_id))


def usages(session: Session, *, tenant_id: str, defaults: Bounds) -> list[Usage]:
    """What a project uses of each limit."""
    bounds = bounds_of(session, tenant_id=tenant_id, defaults=defaults)
    return [Usage(name, bounds[name], _used(session, name, tenant_id)) for name in Limit]


def _lock(session: Session, tenant_id: str) -> None:
    one_at_a_time(session, f"{tenant_id} limits")


def _with(session: Session, name: Limit, more: int, bounds: Bounds, tenant_id: str) -> Usage:
    """What is used of a limit with so much more.

    Raises:
        LimitReachedError: That is more than it allows.
    """
    used = _used(session, name, tenant_id) or 0
    usage = Usage(name, bounds[name], used)
    if usage.left is not None and more > usage.left:
        error, unit, seconds = _REFUSED[name]
        detail = f"The project has {used:,} {unit}; with {more:,} more it would exceed its limit of {usage.limit:,}."
        raise error(
            detail,
            errors=[{"limit": name, "used": used, "allowed": usage.limit, "wanted": more}],
            headers={"Retry-After": str(seconds), **rate_limit_fields([usage])},
        )
    return replace(usage, used=used + more)


def _used(session: Session, name: Limit, tenant_id: str) -> int | None:
    match name:
        case Limit.QUEUED_RUNS:
            return _sum(session, *(_waiting(kind, tenant_id) for kind in RUN_KINDS))
        case Limit.STORED_BYTES:
            return _sum(
                session, _stored(Dataset, tenant_id), _stored(SummaryArchive, tenant_id), _to_come(tenant_id)
            )
        case Limit.UPLOADS:
            going = (Upload.tenant_id == tenant_id, Upload.expires_at >= clock(session))
            return _sum(session, select(func.count()).select_from(Upload).where(*going))
        case Limit.LOG_BYTES | Limit.RUN_STEPS:
            return None


def _waiting(kind: type[Run], tenant_id: str) -> Select[int]:
    waits = kind.state.in_((RunState.QUEUED, RunState.PAUSED))
    return select(func.count()).select_from(kind).where(kind.tenant_id == tenant_id, waits)


def _stored(model: type[Dataset | SummaryArchive], tenant_id: str) -> Select[int | None]:
    """Bytes of the objects that its rows refer to, of which several may share one."""
    objects = (
        select(model.storage_key, model.bytes)
        .where(model.tenant_id == tenant_id, model.expired_at.is_(None))
        .distinct()
        .subquery()
    )
    return select(func.sum(objects.c.bytes))


def _to_come(tenant_id: str) -> Select[int | None]:
    """Bytes that unfinished jobs are expected to add."""
    return select(func.sum(Job.reserved_bytes)).where(Job.tenant_id == tenant_id, Job.state.not_in(ENDED))


def _sum(session: Session, *queries: Select[int] | Select[int | None]) -> int:
    return sum(int(session.scalar(query) or 0) for query in queries)


def sweep(session: Session) -> None:
    """Delete the uploads of processes that have disappeared."""
    session.execute(
        delete(Upload).where(Upload.expires_at < now(session)).execution_options(synchronize_session=False)
    )
