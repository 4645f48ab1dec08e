"""Parsing of specs in request bodies."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from api.errors import InvalidSpecError
from api.http.body import repeated_fields
from api.http.problems import field_errors, summarise
from td3core.config import EvaluationSpec, JobSpec
from td3core.config.ceilings import Ceilings, excesses
from td3core.config.faults import Fault, faults

MAX_SPEC_BYTES = 1 << 20

Spec = TypeVar("Spec", JobSpec, EvaluationSpec)


def parse_spec(kind: type[Spec], sent: bytes | None, ceilings: Ceilings, *, part: str = "") -> Spec:
    """Parse a spec of this kind; None gives the defaults.

    Args:
        kind: The model of the spec.
        sent: The JSON document.
        ceilings: What it may come to at most.
        part: The part of the form that it came in, which a fault of the whole spec names; empty: it was the body.

    Raises:
        InvalidSpecError: Names each invalid field, what it got and what was expected.
    """
    sent = b"{}" if sent is None else sent
    try:
        spec = kind.model_validate_json(sent)
    except ValidationError as error:
        raise _invalid(list(faults(error.errors(include_url=False), kind)), part) from None
    if found := [*repeated_fields(sent), *excesses(spec, ceilings)]:
        raise _invalid(found, part)
    return spec


def _invalid(found: list[Fault], part: str) -> InvalidSpecError:
    return InvalidSpecError(
        f"The spec is invalid: {summarise(found)}", errors=field_errors(found, whole=part)
    )


def as_sent(spec: BaseModel) -> dict[str, Any]:
    """Return the fields that the client sent, for telling its requests apart: defaults may differ between versions."""
    return spec.model_dump(mode="json", exclude_unset=True)
