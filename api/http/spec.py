"""Parsing of specs in request bodies."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from api.errors import InvalidSpecError
from api.http.problems import field_errors, summarise
from td3core.config.faults import faults

MAX_SPEC_BYTES = 1 << 20

Spec = TypeVar("Spec", bound=BaseModel)


def parse_spec(kind: type[Spec], sent: bytes | None, *, part: str = "") -> Spec:
    """Parse a spec of this kind; None gives the defaults.

    Args:
        kind: The model of the spec.
        sent: The JSON document.
        part: The part of the form that it came in, which a fault of the whole spec names; empty: it was the body.

    Raises:
        InvalidSpecError: Names each invalid field, what it got and what was expected.
    """
    try:
        return kind.model_validate_json(b"{}" if sent is None else sent)
    except ValidationError as error:
        found = list(faults(error.errors(include_url=False), kind))
        raise InvalidSpecError(
            f"The spec is invalid: {summarise(found)}", errors=field_errors(found, whole=part)
        ) from None


def as_sent(spec: BaseModel) -> dict[str, Any]:
    """Return the fields that the client sent, for telling its requests apart: defaults may differ between versions."""
    return spec.model_dump(mode="json", exclude_unset=True)
