"""Authentication and authorisation: whose request this is, and whether they may do it."""

import re
import time
from typing import Annotated

import structlog
from fastapi import Depends, Query, Request
from fastapi.concurrency import run_in_threadpool

from api.access.principal import ANONYMOUS, Principal
from api.access.scopes import Scope
from api.errors import (
    InvalidKeyError,
    MissingScopeError,
    ProjectNotFoundError,
    UnauthenticatedError,
)
from api.http.context import Context, Service
from api.http.permissions import Open, need_of
from api.keys import service as keys

RECHECK_SECONDS = 0.5
CHALLENGE = "WWW-Authenticate"
SCHEME = 'Bearer realm="td3"'
_CREDENTIALS = re.compile(r"Bearer +(\S+)", re.IGNORECASE)


async def authorize(request: Request, context: Service) -> Principal:
    """Find out who asks, and refuse what they may not do. Every operation depends on this.

    Raises:
        UnauthenticatedError: The operation needs a key, and there is none or an invalid one.
        MissingScopeError: The key lacks the scope that the operation needs.
    """
    need = need_of(request.method, request.scope["route"].path)
    if context.settings.access_control == "off" or need is Open.NOTHING:
        return ANONYMOUS
    principal = await run_in_threadpool(_authenticate, request, context)
    if principal.key_id is not None:
        context.uses.note(principal.key_id)
    structlog.contextvars.bind_contextvars(key_id=principal.key_id)
    if need is not Open.ANY_KEY and need not in principal.scopes:
        raise missing_scope(need)
    return principal


Caller = Annotated[Principal, Depends(authorize)]


def current_tenant(caller: Caller) -> str:
    """The tenant of the request, to which all its queries are restricted."""
    return caller.project


Tenant = Annotated[str, Depends(current_tenant)]


def _managed_project(
    caller: Caller,
    project: Annotated[
        str | None,
        Query(
            description="Id of the project. Default: that of the request's own key; another one needs `platform`."
        ),
    ] = None,
) -> str:
    """The project whose keys or changes the request is about."""
    if project is None or project == caller.project or Scope.PLATFORM in caller.scopes:
        return project or caller.project
    raise ProjectNotFoundError(f"The project {project} does not exist.")


Managed = Annotated[str, Depends(_managed_project)]


class Standing:
    """Whether a caller whose response goes on for long is still let in.

    The database is asked at most twice a second, and only when there is something to send.
    """

    def __init__(self, context: Service, caller: Caller) -> None:
        self._database = context.database
        self._key_id = caller.key_id
        self._checked_at = time.monotonic()
        self._holds = True

    async def holds(self) -> bool:
        """Whether what follows may be sent."""
        at = time.monotonic()
        if self._key_id is not None and at - self._checked_at >= RECHECK_SECONDS:
            self._checked_at = at
            self._holds = await run_in_threadpool(self._look_up, self._key_id)
        return self._holds

    def _look_up(self, key_id: str) -> bool:
        with self._database.reading() as session:
            return keys.is_valid(session, key_id)


Lasting = Annotated[Standing, Depends()]


def _authenticate(request: Request, context: Context) -> Principal:
    sent = request.headers.getlist("authorization")
    if not sent:
        raise UnauthenticatedError(
            "The request has no API key; expected the header Authorization: Bearer td3_...",
            headers={CHALLENGE: SCHEME},
        )
    credentials = _CREDENTIALS.fullmatch(sent[0])
    try:
        if len(sent) > 1 or credentials is None:
            raise InvalidKeyError("The header Authorization is invalid; expected Bearer and one API key.")
        with context.database.reading() as session:
            principal = keys.principal_of(session, credentials[1])
    except InvalidKeyError as error:
        error.headers[CHALLENGE] = f'{SCHEME}, error="invalid_token"'
        raise
    return principal


def missing_scope(need: Scope | None) -> MissingScopeError:
    """The error for a caller who lacks a scope; None: no scope would do."""
    if need is None:
        return MissingScopeError("No scope gives access to this operation.")
    detail = f"The API key lacks the scope {need}, which this operation needs."
    return MissingScopeError(
        detail,
        errors=[{"scope": need, "reason": detail}],
        headers={CHALLENGE: f'{SCHEME}, error="insufficient_scope", scope="{need}"'},
    )
