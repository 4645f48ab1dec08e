"""Every error the service raises on purpose.

The first line of a class's docstring is its title, and its message where none is given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from td3core.errors import InvalidLogError


class ServiceError(Exception):
    """The request could not be served."""

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
        """What kind of problem this is, the same for every occurrence."""
        return (cls.__doc__ or "").partition("\n")[0].rstrip(".")


class SettingsError(Exception):
    """A setting is missing or wrong."""


class LeaseLostError(Exception):
    """The run belongs to another attempt now, or to nobody; this one must stop and write nothing more."""


def log_faults(error: InvalidLogError) -> list[dict[str, Any]]:
    """What is wrong with a log, in the shape that problem documents and failed jobs report it in."""
    return [
        {name: value for name, value in asdict(problem).items() if value is not None}
        for problem in error.problems
    ]


class StorageError(ServiceError):
    """The storage does not answer."""

    code = "storage_unavailable"
    status = 503


class StorageFullError(StorageError):
    """There is no space left to store this."""

    code = "storage_full"
    status = 507


class DamagedObjectError(StorageError):
    """The storage holds something else than it was given."""

    code = "storage_damaged"
    status = 500


class DatabaseError(ServiceError):
    """The database does not answer."""

    code = "database_unavailable"
    status = 503


class NotReadyError(ServiceError):
    """A part the service needs does not answer."""

    code = "not_ready"
    status = 503


class BadRequestError(ServiceError):
    """The request is malformed."""

    code = "bad_request"
    status = 400


class InvalidRequestError(ServiceError):
    """The request does not say what it must."""

    code = "invalid_request"
    status = 422


class InvalidSpecError(InvalidRequestError):
    """The spec is not valid."""

    code = "invalid_spec"


class InvalidCursorError(InvalidRequestError):
    """The cursor is not one of ours."""

    code = "invalid_cursor"


class UnsupportedBodyError(ServiceError):
    """The body is not of a type this route takes."""

    code = "unsupported_media_type"
    status = 415


class TooLargeError(ServiceError):
    """The upload is larger than allowed."""

    code = "too_large"
    status = 413


class RangeError(ServiceError):
    """The range lies outside of the file."""

    code = "range_not_satisfiable"
    status = 416


class NotFoundError(ServiceError):
    """There is no such resource."""

    code = "not_found"
    status = 404


class ConflictError(ServiceError):
    """The state of the resource does not allow this."""

    code = "conflict"
    status = 409


class JobNotFoundError(NotFoundError):
    """There is no such job."""

    code = "job_not_found"


class EvaluationNotFoundError(NotFoundError):
    """There is no such evaluation."""

    code = "evaluation_not_found"


class JobNotFinishedError(ConflictError):
    """The job has no summary yet."""

    code = "job_not_finished"


class JobWithoutSummaryError(ConflictError):
    """The job ended without a summary."""

    code = "job_without_summary"


class ExpiredError(ServiceError):
    """It is no longer kept."""

    code = "expired"
    status = 410


class AlreadyFinishedError(ConflictError):
    """It has ended, or is about to, and cannot be stopped or started any more."""

    code = "already_finished"


class KeyInUseError(ConflictError):
    """A request with this Idempotency-Key is being served."""

    code = "idempotency_key_in_use"


class KeyReusedError(InvalidRequestError):
    """The Idempotency-Key belongs to another request."""

    code = "idempotency_key_reused"
