"""The class of a run, as a request asks for it."""

from typing import Annotated

from fastapi import Depends, Query

from api.access.scopes import Scope
from api.http.auth import Caller, missing_scope
from api.http.context import Service
from api.models import Priority


def _asked_for(
    caller: Caller,
    context: Service,
    priority: Annotated[
        Priority,
        Query(
            description="Class of the run: as long as runs of a higher class wait, none of a lower one is begun. "
            "Unless the service is configured otherwise, `high` needs the scope `admin` as well."
        ),
    ] = Priority.NORMAL,
) -> Priority:
    """The class.

    Raises:
        MissingScopeError: The caller may not use it.
    """
    allowed = context.settings.high_priority
    if priority is Priority.HIGH and allowed != "everybody" and Scope(allowed) not in caller.scopes:
        raise missing_scope(Scope(allowed))
    return priority


Class = Annotated[Priority, Depends(_asked_for)]


def beyond_default(priority: Priority) -> tuple[Priority, ...]:
    """Return the class if it is not the default, for telling requests apart as versions without classes do."""
    return () if priority is Priority.NORMAL else (priority,)
