"""Reading stored specs for execution."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from td3core.config import EvaluationSpec, JobSpec
from td3core.errors import UnsupportedFormatError
from td3core.formats.format import Format
from td3core.formats.formats import EVALUATION_SPEC, JOB_SPEC

Spec = TypeVar("Spec", bound=BaseModel)
_SHOWN = 100  # characters of a value


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
    """Describe the first invalid field and the reason, and its value unless that is a whole part of the document."""
    fault = error.errors()[0]
    field, value = ".".join(map(str, fault["loc"])) or "the document", fault["input"]
    if isinstance(value, dict | list):
        return f"{field}: {fault['msg']}"
    text = repr(value)
    return f"{field} is {text if len(text) <= _SHOWN else text[:_SHOWN] + '…'}: {fault['msg']}"
