"""The spec as it comes: in a part of an upload, or as the whole body."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from api.errors import InvalidSpecError
from api.http.problems import field_errors, summarise

MAX_SPEC_BYTES = 1 << 20

Spec = TypeVar("Spec", bound=BaseModel)


def parse_spec(kind: type[Spec], sent: bytes | None) -> Spec:
    """Read a spec of this kind; none at all means all defaults.

    Raises:
        InvalidSpecError: Naming each field that is wrong, what came and what was expected.
    """
    try:
        return kind.model_validate_json(b"{}" if sent is None else sent)
    except ValidationError as error:
        faults = field_errors(error.errors(include_url=False))
        raise InvalidSpecError(f"The spec is not valid: {summarise(faults)}", errors=faults) from None
