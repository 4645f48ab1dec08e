"""Reading stored specs for execution."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from td3core.config import EvaluationSpec, JobSpec
from td3core.config.faults import faults
from td3core.errors import UnsupportedFormatError
from td3core.formats.format import Format
from td3core.formats.formats import EVALUATION_SPEC, JOB_SPEC

Spec = TypeVar("Spec", bound=BaseModel)


def read_job_spec(stored: Mapping[str, Any], *, version: int) -> JobSpec:
    """Upgrade and validate the stored spec of a job.

    Raises:
        UnsupportedFormatError: A later version wrote it, and this version cannot execute it.
    """
    return _read(JobSpec, JOB_SPEC, stored, version)


def read_evaluation_spec(stored: Mapping[str, Any], *, version: int) -> EvaluationSpec:
    """Upgrade and validate the stored spec of an evaluation.

    Raises:
        UnsupportedFormatError: A later version wrote it, and this version cannot execute it.
    """
    return _read(EvaluationSpec, EVALUATION_SPEC, stored, version)


def _read(kind: type[Spec], stored_as: Format, stored: Mapping[str, Any], version: int) -> Spec:
    try:
        return kind.model_validate(stored_as.upgrade(stored, version=version))
    except ValidationError as error:
        raise UnsupportedFormatError(
            f"this version cannot read the {stored_as.name}: {first_fault(error)}; a later version may have written it"
        ) from error


def first_fault(error: ValidationError) -> str:
    """Describe the first invalid field: what it is and what was expected, or the reason."""
    return str(next(faults(error.errors())))
