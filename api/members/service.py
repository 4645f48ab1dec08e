"""Operations on the members of projects, and what a user may do."""

from collections import defaultdict

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from api.access.principal import Principal
from api.access.scopes import ROLES, Scope, granted
from api.access.users import User
from api.audit import service as audit
from api.audit.service import Action
from api.db import now, one_at_a_time
from api.errors import MemberNotFoundError, NoProjectError, ProjectNotChosenError, ProjectNotFoundError
from api.ids import new_id
from api.models import DEFAULT_TENANT, Member, Project
from api.oidc.issuers import Proof
from api.pages import RowPage, page_of

PLATFORM = "platform"


def principal_of(session: Session, proof: Proof, wanted: str | None = None) -> Principal:
    """Return what the user of a token may do, in one project: the one that is wanted, or the only one.

    Roles are read anew each time, so that one that is taken away ends at once.

    Raises:
        NoProjectError: The user has no role in any project.
        ProjectNotChosenError: The user has a role in several, and none is wanted.
        ProjectNotFoundError: The user has no role in the one that is wanted.
    """
    user, platform = proof.user, any(grant.role == PLATFORM for grant in proof.grants)
    roles = _roles(session, proof, also=wanted if platform else None)
    if wanted is not None:
        if wanted not in roles:
            raise ProjectNotFoundError(f"The project {wanted} does not exist.")
        project = wanted
    elif len(roles) == 1:
        (project,) = roles
    elif platform:
        project = DEFAULT_TENANT
    elif roles:
        several = [
            {"project": project, "reason": ", ".join(sorted(roles[project]))} for project in sorted(roles)
        ]
        raise ProjectNotChosenError(
            f"The user {user.id} has a role in {len(roles)} projects; name one of them in the header TD3-Project.",
            errors=several,
        )
    else:
        raise NoProjectError(
            f"The user {user.id} has no role in any project; the administrator of one can give them one."
        )
    given = {PLATFORM} if platform else roles[project]
    scopes: frozenset[Scope] = frozenset().union(*(ROLES[role] for role in given))
    return Principal(
        project=project, scopes=granted(scopes), key_id=None, expires_at=proof.expires_at, user=user
    )


def _roles(session: Session, proof: Proof, *, also: str | None) -> dict[str, set[str]]:
    """The roles of the user by project, of those that exist; with the one that they want `also`, without a role."""
    roles: defaultdict[str, set[str]] = defaultdict(set)
    for grant in proof.grants:
        if grant.project is not None:
            roles[grant.project].add(grant.role)
    if also is not None:
        roles[also].update()
    if roles:
        existing = set(session.scalars(select(Project.id).where(Project.id.in_(roles))))
        roles = defaultdict(set, {project: given for project, given in roles.items() if project in existing})
    query = select(Member.tenant_id, Member.role).where(Member.user_id == proof.user.id)
    for project, role in session.execute(query):
        roles[project].add(role)
    return dict(roles)


def put(session: Session, user: User, role: str, *, tenant_id: str) -> tuple[Member, bool]:
    """Give the user this role in the project, in place of another one; say whether they are new there."""
    one_at_a_time(session, f"member {tenant_id} {user.id}")
    row = session.scalar(_query(user.id, tenant_id))
    if row is None:
        row = Member(
            id=new_id("mem"),
            tenant_id=tenant_id,
            created_at=now(session),
            user_id=user.id,
            issuer=user.issuer,
            subject=user.subject,
            role=role,
        )
        session.add(row)
        session.flush()
        told = {"issuer": user.issuer, "subject": user.subject, "role": role}
        audit.record(session, Action.MEMBER_ADDED, user.id, tenant_id=tenant_id, after=told)
        return row, True
    if row.role != role:
        before, row.role = {"role": row.role}, role
        audit.record(
            session, Action.MEMBER_CHANGED, user.id, tenant_id=tenant_id, before=before, after={"role": role}
        )
    return row, False


def remove(session: Session, user_id: str, *, tenant_id: str) -> None:
    """Take the user's role away, which the rules of an issuer may still give.

    Raises:
        MemberNotFoundError: They are no member.
    """
    row = _find(session, _query(user_id, tenant_id).with_for_update(), user_id)
    told = {"issuer": row.issuer, "subject": row.subject, "role": row.role}
    session.delete(row)
    audit.record(session, Action.MEMBER_REMOVED, user_id, tenant_id=tenant_id, before=told)


def get(session: Session, user_id: str, *, tenant_id: str) -> Member:
    """Find a member of this project.

    Raises:
        MemberNotFoundError: They are none.
    """
    return _find(session, _query(user_id, tenant_id), user_id)


def page(session: Session, *, tenant_id: str, limit: int, cursor: str | None) -> RowPage[Member]:
    """List the members of this project, the latest first."""
    query = select(Member).where(Member.tenant_id == tenant_id)
    return page_of(session, query, Member, limit=limit, cursor=cursor)


def _query(user_id: str, tenant_id: str) -> Select[Member]:
    return select(Member).where(Member.user_id == user_id, Member.tenant_id == tenant_id)


def _find(session: Session, query: Select[Member], user_id: str) -> Member:
    row = session.scalar(query)
    if row is None:
        raise MemberNotFoundError(f"The user {user_id} is no member of the project.")
    return row
