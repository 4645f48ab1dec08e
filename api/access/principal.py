"""The principal of a request: who asks, for which project, and what they may do."""

from dataclasses import dataclass
from datetime import datetime

from api.access.scopes import Scope
from api.access.users import User
from api.models import DEFAULT_TENANT


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever has proved who they are. Every way of proving it ends in one of these."""

    project: str
    """Id of the project to which all queries are restricted, the tenant of its rows."""
    scopes: frozenset[Scope]
    """What it may do, with the scopes that others include."""
    key_id: str | None
    """Id of its key; None if it has proved itself by a token, or if access control is off."""
    expires_at: datetime | None
    """When its proof ends."""
    user: User | None = None
    """Whose token it is; None if it has a key, or if access control is off."""

    @property
    def id(self) -> str | None:
        """Id of its key or of its user; None if access control is off."""
        return self.user.id if self.user else self.key_id


ANONYMOUS = Principal(project=DEFAULT_TENANT, scopes=frozenset(Scope), key_id=None, expires_at=None)
"""Everybody, while access control is off."""
