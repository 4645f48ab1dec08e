"""Operations on API keys."""

from collections.abc import Collection, Set
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from api.access.principal import Principal
from api.access.scopes import Scope, granted
from api.audit import service as audit
from api.audit.service import Action
from api.db import clock, now, one_at_a_time
from api.errors import (
    InvalidKeyError,
    KeyNotFoundError,
    KeyNotRotatableError,
    MissingScopeError,
    ProjectNotFoundError,
)
from api.ids import new_id
from api.keys import secret
from api.models import DEFAULT_TENANT, ApiKey
from api.pages import RowPage, page_of

LIFETIME = timedelta(days=90)
"""Of a key for which nothing else is said."""
EVERY_SCOPE = frozenset(Scope)
LONGEST = timedelta(days=3650)
LOCAL_KEY = f"key_{'0' * 32}"
"""Id of the key of whoever runs the embedded service: one row, whose text is another after each start."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made. Its text cannot be had again."""

    row: ApiKey
    secret: str


def create(
    session: Session,
    *,
    tenant_id: str,
    name: str,
    scopes: Collection[Scope],
    lifetime: timedelta = LIFETIME,
    replaces: str | None = None,
    giver: Set[Scope] = EVERY_SCOPE,
) -> NewKey:
    """Make a key of this project; nobody gives a scope that they do not have.

    Raises:
        MissingScopeError: The `giver` lacks one of the scopes.
    """
    _check(scopes, giver)
    text = secret.new_secret()
    row = _store(
        session,
        secret.digest(text),
        tenant_id=tenant_id,
        name=name,
        scopes=scopes,
        last_characters=text[-secret.SHOWN :],
        lifetime=lifetime,
        replaces=replaces,
    )
    return NewKey(row, text)


def adopt(session: Session, sha256: str, *, name: str, scopes: Collection[Scope]) -> ApiKey | None:
    """Store a key of the default project that was made elsewhere, by its hash; None: it is, or was, there already.

    One that was revoked or has expired stays so.
    """
    one_at_a_time(session, f"api key {sha256}")
    if session.scalar(select(ApiKey.id).where(ApiKey.sha256 == sha256)) is not None:
        return None
    return _store(session, sha256, tenant_id=DEFAULT_TENANT, name=name, scopes=scopes)


def renew_local(session: Session) -> NewKey:
    """Make the key of whoever runs the embedded service, or make it anew: its former text is worth nothing then."""
    text, at = secret.new_secret(), now(session)
    row = session.get(ApiKey, LOCAL_KEY, with_for_update=True)
    action = Action.KEY_CREATED if row is None else Action.KEY_ROTATED
    if row is None:
        row = ApiKey(
            id=LOCAL_KEY, tenant_id=DEFAULT_TENANT, created_at=at, name="User of the embedded service"
        )
        session.add(row)
    row.sha256, row.last_characters = secret.digest(text), text[-secret.SHOWN :]
    row.scopes, row.expires_at, row.revoked_at = [Scope.PLATFORM], at + LONGEST, None
    session.flush()
    audit.record(
        session, action, row.id, tenant_id=row.tenant_id, after={"name": row.name, "scopes": row.scopes}
    )
    return NewKey(row, text)


def principal_of(session: Session, text: str, wanted: str | None = None) -> Principal:
    """Return whose key this is, by one indexed read.

    Args:
        session: A session for reading.
        text: The key.
        wanted: Id of the project that the request is about. Default: that of the key.

    Raises:
        InvalidKeyError: It is no key, or one that has been revoked or has expired.
        ProjectNotFoundError: The key is of another project.
    """
    if not secret.is_well_formed(text):
        raise InvalidKeyError("This is not an API key of TD3 Service: it is incomplete or mistyped.")
    found = session.execute(
        select(
            ApiKey.id,
            ApiKey.tenant_id,
            ApiKey.scopes,
            ApiKey.expires_at,
            (ApiKey.expires_at <= clock(session)).label("expired"),
            ApiKey.revoked_at.is_not(None).label("revoked"),
        ).where(ApiKey.sha256 == secret.digest(text))
    ).one_or_none()
    if found is None:
        raise InvalidKeyError("The API key is not known to this service.")
    if found.revoked or found.expired:
        how = "been revoked" if found.revoked else "expired"
        raise InvalidKeyError(f"The API key {found.id} has {how}.")
    if wanted not in (None, found.tenant_id):
        raise ProjectNotFoundError(f"The project {wanted} does not exist.")
    return Principal(
        project=found.tenant_id,
        scopes=granted(found.scopes),
        key_id=found.id,
        expires_at=found.expires_at,
    )


def is_valid(session: Session, key_id: str) -> bool:
    """Whether the key has neither been revoked nor expired."""
    query = select(ApiKey.id).where(
        ApiKey.id == key_id, ApiKey.revoked_at.is_(None), ApiKey.expires_at > clock(session)
    )
    return session.scalar(query) is not None


def rotate(
    session: Session,
    key_id: str,
    *,
    tenant_id: str,
    overlap: timedelta,
    lifetime: timedelta = LIFETIME,
    giver: Set[Scope] = EVERY_SCOPE,
) -> NewKey:
    """Make a key of the same name and scopes; the former one stays valid for the `overlap`, if not shorter.

    Raises:
        KeyNotFoundError: The key does not exist.
        MissingScopeError: The `giver` lacks one of its scopes.
        KeyNotRotatableError: It is not valid, or both it and the one that it replaced or was replaced by are.
    """
    former = _find(session, key_id, tenant_id=tenant_id, lock=True)
    if not is_valid(session, key_id):
        raise KeyNotRotatableError(f"The key {key_id} is no longer valid; create another one.")
    relatives = or_(ApiKey.replaces == key_id, ApiKey.id == former.replaces)
    for other in session.scalars(select(ApiKey.id).where(relatives)):
        if is_valid(session, other):
            raise KeyNotRotatableError(
                f"One of the keys {key_id} and {other} replaces the other, and both are valid; revoke one first."
            )
    before = {"expires_at": former.expires_at.isoformat()}
    former.expires_at = min(former.expires_at, now(session) + overlap)
    after = {"expires_at": former.expires_at.isoformat()}
    audit.record(session, Action.KEY_ROTATED, key_id, tenant_id=tenant_id, before=before, after=after)
    return create(
        session,
        tenant_id=tenant_id,
        name=former.name,
        scopes=[scope for scope in Scope if scope in former.scopes],
        lifetime=lifetime,
        replaces=key_id,
        giver=giver,
    )


def revoke(session: Session, key_id: str, *, tenant_id: str, giver: Set[Scope] = EVERY_SCOPE) -> ApiKey:
    """End the validity of a key at once. Repeating this changes nothing.

    Raises:
        KeyNotFoundError: It does not exist.
        MissingScopeError: The `giver` lacks one of its scopes.
    """
    row = _find(session, key_id, tenant_id=tenant_id, lock=True)
    _check(row.scopes, giver)
    if row.revoked_at is None:
        row.revoked_at = at = now(session)
        after = {"revoked_at": at.isoformat()}
        audit.record(
            session, Action.KEY_REVOKED, key_id, tenant_id=tenant_id, before={"revoked_at": None}, after=after
        )
    return row


def get(session: Session, key_id: str, *, tenant_id: str) -> ApiKey:
    """Find a key of this project.

    Raises:
        KeyNotFoundError: It does not exist.
    """
    return _find(session, key_id, tenant_id=tenant_id)


def page(session: Session, *, tenant_id: str, limit: int, cursor: str | None) -> RowPage[ApiKey]:
    """List the keys of this project, newest first, with those that are no longer valid."""
    query = select(ApiKey).where(ApiKey.tenant_id == tenant_id)
    return page_of(session, query, ApiKey, limit=limit, cursor=cursor)


def _store(
    session: Session,
    sha256: str,
    *,
    tenant_id: str,
    name: str,
    scopes: Collection[Scope],
    last_characters: str = "",
    lifetime: timedelta = LIFETIME,
    replaces: str | None = None,
) -> ApiKey:
    at = now(session)
    row = ApiKey(
        id=new_id("key"),
        tenant_id=tenant_id,
        created_at=at,
        name=name,
        sha256=sha256,
        last_characters=last_characters,
        scopes=sorted(scopes),
        expires_at=at + lifetime,
        replaces=replaces,
    )
    session.add(row)
    session.flush()
    told = {
        "name": name,
        "scopes": row.scopes,
        "expires_at": row.expires_at.isoformat(),
        "replaces": replaces,
    }
    audit.record(session, Action.KEY_CREATED, row.id, tenant_id=tenant_id, after=told)
    return row


def _check(scopes: Collection[str], giver: Set[Scope]) -> None:
    """Check that the giver may do all that a key with these scopes may do."""
    if lacking := sorted(granted(scopes) - giver):
        detail = f"Only a key with the scope {lacking[0]} can create, replace or revoke one that has it."
        raise MissingScopeError(detail, errors=[{"scope": lacking[0], "reason": detail}])


def _find(session: Session, key_id: str, *, tenant_id: str, lock: bool = False) -> ApiKey:
    query = select(ApiKey).where(ApiKey.id == key_id, ApiKey.tenant_id == tenant_id)
    row = session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise KeyNotFoundError(f"The key {key_id} does not exist.")
    return row
