"""Authentication and authorisation: whose request this is, and whether they may do it."""

import re
import time
from collections.abc import Callable
from typing import Annotated, TypeVar

import structlog
from fastapi import Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session

from api.access.principal import ANONYMOUS, Principal
from api.access.scopes import Scope
from api.errors import (
    InvalidKeyError,
    InvalidTokenError,
    MissingScopeError,
    ProjectNotFoundError,
    ServiceError,
    UnauthenticatedError,
)
from api.http.context import Context, Service
from api.http.permissions import Need, Open, need_of
from api.keys import service as keys
from api.members import service as members
from api.telemetry import correlation

RECHECK_SECONDS = 0.5
CHALLENGE = "WWW-Authenticate"
SCHEME = 'Bearer realm="td3"'
PROJECT = "TD3-Project"
_CREDENTIALS = re.compile(r"Bearer +(\S+)", re.IGNORECASE)


async def authorize(request: Request, context: Service) -> Principal:
    """Find out who asks, and refuse what they may not do. Every operation depends on this.

    Raises:
        UnauthenticatedError: The operation needs a key or a token, and there is none or an invalid one.
        IssuerUnavailableError: The token cannot be checked now.
        NoProjectError: The user has no role in any project.
        ProjectNotChosenError: The user has a role in several, and the request does not say which one it is about.
        ProjectNotFoundError: It names one in which the caller has none.
        MissingScopeError: The caller lacks the scope that the operation needs.
    """
    need = _need(request)
    if context.settings.access_control == "off" or need is Open.NOTHING:
        return ANONYMOUS
    principal = await _authenticate(request, context)
    if principal.user is not None:
        structlog.contextvars.bind_contextvars(user_id=principal.user.id)
        correlation.user.set(principal.user.told())
    else:
        if principal.key_id is not None:
            context.uses.note(principal.key_id)
        structlog.contextvars.bind_contextvars(key_id=principal.key_id)
    _permit(principal, need)
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


def _project_of_path(project_id: str, caller: Caller) -> str:
    """The project in the path, which the caller administers."""
    return _managed_project(caller, project_id)


ManagedPath = Annotated[str, Depends(_project_of_path)]


class Standing:
    """Whether a caller whose response goes on for long is still let in.

    They are asked for their proof again at most twice a second, and only when there is something to send.
    """

    def __init__(self, request: Request, context: Service, caller: Caller) -> None:
        self._request = request
        self._context = context
        self._caller = caller
        self._checked_at = time.monotonic()
        self._holds = True

    async def holds(self) -> bool:
        """Whether what follows may be sent."""
        at = time.monotonic()
        if self._caller is not ANONYMOUS and at - self._checked_at >= RECHECK_SECONDS:
            self._checked_at = at
            self._holds = await self._look_up()
        return self._holds

    async def _look_up(self) -> bool:
        try:
            principal = await _authenticate(self._request, self._context)
            _permit(principal, _need(self._request))
        except ServiceError:
            return False
        return principal.project == self._caller.project


Lasting = Annotated[Standing, Depends()]


def _need(request: Request) -> Need | None:
    return need_of(request.method, request.scope["route"].path)


def _permit(principal: Principal, need: Need | None) -> None:
    if not isinstance(need, Open) and need not in principal.scopes:
        raise missing_scope(need)


async def _authenticate(request: Request, context: Context) -> Principal:
    sent = request.headers.getlist("authorization")
    if not sent:
        raise UnauthenticatedError(
            "The request has no API key; expected the header Authorization: Bearer td3_...",
            headers={CHALLENGE: SCHEME},
        )
    credentials = _CREDENTIALS.fullmatch(sent[0])
    wanted = request.headers.get(PROJECT)
    try:
        if len(sent) > 1 or credentials is None:
            raise InvalidKeyError("The header Authorization is invalid; expected Bearer and one API key.")
        text = credentials[1]
        if context.tokens is not None and _is_token(text):
            proof = await context.tokens.check(text)
            return await run_in_threadpool(_in_project, context, members.principal_of, proof, wanted)
        return await run_in_threadpool(_in_project, context, keys.principal_of, text, wanted)
    except (InvalidKeyError, InvalidTokenError) as error:
        error.headers[CHALLENGE] = f'{SCHEME}, error="invalid_token"'
        raise


def _is_token(text: str) -> bool:
    """Whether the text has the form of a JWT; no API key has dots."""
    return text.count(".") == 2


Proved = TypeVar("Proved")


def _in_project(
    context: Context,
    principal_of: Callable[[Session, Proved, str | None], Principal],
    proof: Proved,
    wanted: str | None,
) -> Principal:
    with context.database.reading() as session:
        return principal_of(session, proof, wanted)


def missing_scope(need: Scope | None) -> MissingScopeError:
    """The error for a caller who lacks a scope; None: no scope would do."""
    if need is None:
        return MissingScopeError("No scope gives access to this operation.")
    detail = f"The caller lacks the scope {need}, which this operation needs."
    return MissingScopeError(
        detail,
        errors=[{"scope": need, "reason": detail}],
        headers={CHALLENGE: f'{SCHEME}, error="insufficient_scope", scope="{need}"'},
    )
