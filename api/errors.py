"""All errors that the service raises deliberately.

The first line of a class's docstring is its title, and its message if none is given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from td3core.errors import InvalidLogError, LogProblem


class ServiceError(Exception):
    """The request failed."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.detail = detail or self.title()
        self.errors = [dict(error) for error in errors]
        self.headers = dict(headers or {})
        super().__init__(self.detail)

    @classmethod
    def title(cls) -> str:
        """The kind of problem, the same for every occurrence."""
        return (cls.__doc__ or "").partition("\n")[0].rstrip(".")


class SettingsError(Exception):
    """A setting is missing or invalid."""


class LeaseLostError(Exception):
    """The run no longer belongs to this attempt, which must stop and write nothing more."""


def log_faults(error: InvalidLogError) -> list[dict[str, Any]]:
    """The problems of a log, in the form in which problem documents and failed jobs report them.

    One that concerns the whole log has the field `dataset`, the part of the form in which the log was sent.
    """
    return [_log_fault(problem) for problem in error.problems]


def _log_fault(problem: LogProblem) -> dict[str, Any]:
    fault = {name: value for name, value in asdict(problem).items() if value is not None}
    return fault if fault.keys() & {"line", "column", "field"} else {"field": "dataset", **fault}


class StorageError(ServiceError):
    """The storage is unavailable."""

    code = "storage_unavailable"
    status = 503


class StorageFullError(StorageError):
    """The storage is full."""

    code = "storage_full"
    status = 507


class DamagedObjectError(StorageError):
    """The stored object is damaged."""

    code = "storage_damaged"
    status = 500


class DatabaseError(ServiceError):
    """The database is unavailable."""

    code = "database_unavailable"
    status = 503


class NotReadyError(ServiceError):
    """The service is not ready."""

    code = "not_ready"
    status = 503


class BadRequestError(ServiceError):
    """The request is malformed."""

    code = "bad_request"
    status = 400


class ClientDisconnectedError(BadRequestError):
    """The client closed the connection."""

    code = "client_disconnected"


class InvalidRequestError(ServiceError):
    """The request is invalid."""

    code = "invalid_request"
    status = 422


class InvalidSpecError(InvalidRequestError):
    """The spec is invalid."""

    code = "invalid_spec"


class InvalidCursorError(InvalidRequestError):
    """The cursor is invalid."""

    code = "invalid_cursor"


class CrossSiteError(ServiceError):
    """The request comes from a page of another site."""

    code = "cross_site"
    status = 403


class HostNotAllowedError(ServiceError):
    """The service has no such name."""

    code = "host_not_allowed"
    status = 421


class UnauthenticatedError(ServiceError):
    """The request needs an API key."""

    code = "unauthenticated"
    status = 401


class InvalidKeyError(UnauthenticatedError):
    """The API key is invalid."""

    code = "invalid_key"


class InvalidTokenError(UnauthenticatedError):
    """The token is invalid."""

    code = "invalid_token"


class IssuerUnavailableError(ServiceError):
    """The issuer of the token is unavailable."""

    code = "issuer_unavailable"
    status = 503


class NoProjectError(ServiceError):
    """The user has no role in any project."""

    code = "no_project"
    status = 403


class ProjectNotChosenError(BadRequestError):
    """The user has a role in several projects, and the request names none."""

    code = "project_not_chosen"


class MissingScopeError(ServiceError):
    """The API key lacks a scope."""

    code = "missing_scope"
    status = 403


class TooSlowError(ServiceError):
    """The body of the request came too slowly."""

    code = "too_slow"
    status = 408


class HeadTooLargeError(ServiceError):
    """The head of the request is too large."""

    code = "head_too_large"
    status = 431


class AddressTooLongError(ServiceError):
    """The address of the request is too long."""

    code = "address_too_long"
    status = 414


class BusyError(ServiceError):
    """The service receives as many uploads, or has as many connections, as it can."""

    code = "busy"
    status = 503


class LimitReachedError(ServiceError):
    """A limit of the project is reached."""

    code = "limit_reached"
    status = 429


class QueuedRunsLimitError(LimitReachedError):
    """As many runs of the project wait as may."""

    code = "queued_runs_limit"


class StoredBytesLimitError(LimitReachedError):
    """The project stores as much as it may."""

    code = "stored_bytes_limit"


class UploadsLimitError(LimitReachedError):
    """The project sends as many logs at once as it may."""

    code = "uploads_limit"


class UnsupportedBodyError(ServiceError):
    """The media type of the request body is not supported."""

    code = "unsupported_media_type"
    status = 415


class TooLargeError(ServiceError):
    """The upload is too large."""

    code = "too_large"
    status = 413


class RangeError(ServiceError):
    """The requested range is outside the file."""

    code = "range_not_satisfiable"
    status = 416


class NotFoundError(ServiceError):
    """The resource does not exist."""

    code = "not_found"
    status = 404


class GuideNotBuiltError(NotFoundError):
    """The guide has not been built; `make docs` builds it."""

    code = "guide_not_built"


class ConflictError(ServiceError):
    """The state of the resource does not allow this operation."""

    code = "conflict"
    status = 409


class JobNotFoundError(NotFoundError):
    """The job does not exist."""

    code = "job_not_found"


class EvaluationNotFoundError(NotFoundError):
    """The evaluation does not exist."""

    code = "evaluation_not_found"


class MemberNotFoundError(NotFoundError):
    """The user is no member of the project."""

    code = "member_not_found"


class KeyNotFoundError(NotFoundError):
    """The API key does not exist."""

    code = "key_not_found"


class KeyNotRotatableError(ConflictError):
    """The API key cannot be replaced now."""

    code = "key_not_rotatable"


class ProjectNotFoundError(NotFoundError):
    """The project does not exist."""

    code = "project_not_found"


class WebhookNotFoundError(NotFoundError):
    """The webhook does not exist."""

    code = "webhook_not_found"


class DeliveryNotFoundError(NotFoundError):
    """The delivery does not exist."""

    code = "delivery_not_found"


class WebhookDisabledError(ConflictError):
    """The webhook is switched off."""

    code = "webhook_disabled"


class TooManyWebhooksError(ConflictError):
    """The project or the job has as many webhooks as it can."""

    code = "too_many_webhooks"


class JobNotFinishedError(ConflictError):
    """The job has no summary yet."""

    code = "job_not_finished"


class JobWithoutSummaryError(ConflictError):
    """The job ended without a summary."""

    code = "job_without_summary"


class ExpiredError(ServiceError):
    """The resource has expired."""

    code = "expired"
    status = 410


class AlreadyFinishedError(ConflictError):
    """The run has ended or is about to end."""

    code = "already_finished"


class NotEndedError(ConflictError):
    """The run has not ended."""

    code = "not_ended"


class CountChangedError(ConflictError):
    """There are more or fewer runs than expected."""

    code = "count_changed"


class PinnedError(ConflictError):
    """The run is pinned."""

    code = "pinned"


class JobDeletedError(ConflictError):
    """The job of the evaluation is deleted."""

    code = "job_deleted"


class KeyInUseError(ConflictError):
    """A request with this Idempotency-Key is in progress."""

    code = "idempotency_key_in_use"


class KeyReusedError(InvalidRequestError):
    """The Idempotency-Key was used for another request."""

    code = "idempotency_key_reused"
