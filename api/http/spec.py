"""Parsing of specs in request bodies."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from api.errors import InvalidSpecError
from api.http.problems import field_errors, summarise

MAX_SPEC_BYTES = 1 << 20

Spec = TypeVar("Spec", bound=BaseModel)


def parse_spec(kind: type[Spec], sent: bytes | None) -> Spec:
    """Parse a spec of this kind; None gives the defaults.

    Raises:
        InvalidSpecError: Names each invalid field, what it got and what was expected.
    """
    try:
        return kind.model_validate_json(b"{}" if sent is None else sent)
    except ValidationError as error:
        faults = field_errors(error.errors(include_url=False))
        raise InvalidSpecError(f"The spec is invalid: {summarise(faults)}", errors=faults) from None


def as_sent(spec: BaseModel) -> dict[str, Any]:
    """Return the fields that the client sent, for telling its requests apart: defaults may differ between versions."""
    return spec.model_dump(mode="json", exclude_unset=True)
