"""What each operation needs: one table, for all of them.

While access control is on, an operation that is not in the table is refused to everybody.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from api.access.scopes import Scope


class Open(Enum):
    """What an operation needs that needs no scope."""

    NOTHING = "nothing"
    ANY_KEY = "any key"


Need = Scope | Open

NEEDS: Mapping[tuple[str, str], Need] = MappingProxyType(
    {
        ("GET", "/"): Open.NOTHING,
        ("GET", "/healthz"): Open.NOTHING,
        ("GET", "/readyz"): Open.NOTHING,
        ("GET", "/metrics"): Scope.METRICS_READ,
        ("GET", "/me"): Open.ANY_KEY,
        ("GET", "/projects"): Scope.PLATFORM,
        ("POST", "/projects"): Scope.PLATFORM,
        ("GET", "/projects/{project_id}"): Scope.PLATFORM,
        ("PATCH", "/projects/{project_id}"): Scope.PLATFORM,
        ("GET", "/projects/{project_id}/members"): Scope.ADMIN,
        ("POST", "/projects/{project_id}/members"): Scope.ADMIN,
        ("GET", "/projects/{project_id}/members/{user_id}"): Scope.ADMIN,
        ("DELETE", "/projects/{project_id}/members/{user_id}"): Scope.ADMIN,
        ("GET", "/keys"): Scope.ADMIN,
        ("POST", "/keys"): Scope.ADMIN,
        ("GET", "/keys/{key_id}"): Scope.ADMIN,
        ("DELETE", "/keys/{key_id}"): Scope.ADMIN,
        ("POST", "/keys/{key_id}/rotate"): Scope.ADMIN,
        ("GET", "/audit"): Scope.ADMIN,
        ("GET", "/audit/export"): Scope.ADMIN,
        ("GET", "/workers"): Scope.JOBS_READ,
        ("GET", "/jobs"): Scope.JOBS_READ,
        ("POST", "/jobs"): Scope.JOBS_WRITE,
        ("POST", "/jobs/validate"): Scope.JOBS_WRITE,
        ("POST", "/jobs/cancel"): Scope.JOBS_WRITE,
        ("POST", "/jobs/delete"): Scope.JOBS_WRITE,
        ("GET", "/jobs/{job_id}"): Scope.JOBS_READ,
        ("PATCH", "/jobs/{job_id}"): Scope.JOBS_WRITE,
        ("DELETE", "/jobs/{job_id}"): Scope.JOBS_WRITE,
        ("POST", "/jobs/{job_id}/restore"): Scope.JOBS_WRITE,
        ("GET", "/jobs/{job_id}/events"): Scope.JOBS_READ,
        ("POST", "/jobs/{job_id}/cancel"): Scope.JOBS_WRITE,
        ("POST", "/jobs/{job_id}/pause"): Scope.JOBS_WRITE,
        ("POST", "/jobs/{job_id}/resume"): Scope.JOBS_WRITE,
        ("GET", "/jobs/{job_id}/summary"): Scope.SUMMARIES_READ,
        ("GET", "/jobs/{job_id}/evaluations"): Scope.JOBS_READ,
        ("POST", "/jobs/{job_id}/evaluations"): Scope.EVALUATIONS_WRITE,
        ("GET", "/evaluations"): Scope.JOBS_READ,
        ("GET", "/evaluations/{evaluation_id}"): Scope.JOBS_READ,
        ("PATCH", "/evaluations/{evaluation_id}"): Scope.EVALUATIONS_WRITE,
        ("DELETE", "/evaluations/{evaluation_id}"): Scope.EVALUATIONS_WRITE,
        ("POST", "/evaluations/{evaluation_id}/restore"): Scope.EVALUATIONS_WRITE,
        ("GET", "/evaluations/{evaluation_id}/events"): Scope.JOBS_READ,
        ("POST", "/evaluations/{evaluation_id}/cancel"): Scope.EVALUATIONS_WRITE,
        ("GET", "/webhooks"): Scope.WEBHOOKS_WRITE,
        ("POST", "/webhooks"): Scope.WEBHOOKS_WRITE,
        ("GET", "/webhooks/{webhook_id}"): Scope.WEBHOOKS_WRITE,
        ("PATCH", "/webhooks/{webhook_id}"): Scope.WEBHOOKS_WRITE,
        ("DELETE", "/webhooks/{webhook_id}"): Scope.WEBHOOKS_WRITE,
        ("POST", "/webhooks/{webhook_id}/rotate"): Scope.WEBHOOKS_WRITE,
        ("POST", "/webhooks/{webhook_id}/test"): Scope.WEBHOOKS_WRITE,
        ("POST", "/webhooks/{webhook_id}/replay"): Scope.WEBHOOKS_WRITE,
        ("GET", "/webhooks/{webhook_id}/deliveries"): Scope.WEBHOOKS_WRITE,
        ("GET", "/webhooks/{webhook_id}/deliveries/{delivery_id}"): Scope.WEBHOOKS_WRITE,
        ("POST", "/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"): Scope.WEBHOOKS_WRITE,
    }
)
"""By method and path, without the version. HEAD is as GET."""


def need_of(method: str, path: str) -> Need | None:
    """Return what this operation needs; None if nobody has decided it."""
    return NEEDS.get(("GET" if method == "HEAD" else method, path))
