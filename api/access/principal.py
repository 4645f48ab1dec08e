"""The principal of a request: who asks, for which project, and what they may do."""

from dataclasses import dataclass
from datetime import datetime

from api.access.scopes import Scope
from api.models import DEFAULT_TENANT


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever has proved who they are. Every way of proving it ends in one of these."""

    project: str
    """Id of the project to which all queries are restricted, the tenant of its rows."""
    scopes: frozenset[Scope]
    """What it may do, with the scopes that others include."""
    key_id: str | None
    """Id of its key; None if access control is off."""
    expires_at: datetime | None
    """When its proof ends."""


ANONYMOUS = Principal(project=DEFAULT_TENANT, scopes=frozenset(Scope), key_id=None, expires_at=None)
"""Everybody, while access control is off."""
