"""Scopes, which a key is given and an operation needs, and roles, which are names for usual sets of them."""

from collections.abc import Collection
from enum import StrEnum
from types import MappingProxyType


class Scope(StrEnum):
    """Permission for one kind of operation."""

    DATASETS_READ = "datasets:read"
    DATASETS_WRITE = "datasets:write"
    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    SUMMARIES_READ = "summaries:read"
    EVALUATIONS_WRITE = "evaluations:write"
    WEBHOOKS_WRITE = "webhooks:write"
    ADMIN = "admin"
    """Everything within the project, its keys included."""
    METRICS_READ = "metrics:read"
    """The metrics of the service, which cover all projects."""
    PLATFORM = "platform"
    """Everything, the projects themselves included."""


OF_THE_SERVICE = frozenset({Scope.METRICS_READ, Scope.PLATFORM})
"""Scopes that reach beyond the project of the key; only a platform admin gives them."""
OF_A_PROJECT = frozenset(Scope) - OF_THE_SERVICE

_VIEWER = frozenset({Scope.DATASETS_READ, Scope.JOBS_READ, Scope.SUMMARIES_READ})
_MEMBER = OF_A_PROJECT - {Scope.ADMIN}

ROLES = MappingProxyType(
    {
        "viewer": _VIEWER,
        "member": _MEMBER,
        "admin": frozenset({Scope.ADMIN}),
        "platform": frozenset({Scope.PLATFORM}),
    }
)
"""The scopes of each role."""


def granted(scopes: Collection[str]) -> frozenset[Scope]:
    """Return the scopes with those that they include, without those that only a later version knows."""
    given = frozenset(scope for scope in Scope if scope in scopes)
    if Scope.PLATFORM in given:
        return frozenset(Scope)
    return given | OF_A_PROJECT if Scope.ADMIN in given else given
