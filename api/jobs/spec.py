"""The spec as it comes with an upload."""

from pydantic import ValidationError

from api.errors import InvalidSpecError
from api.problems import field_errors, summarise
from td3core.config import JobSpec


def parse_spec(sent: bytes | None) -> JobSpec:
    """Read the part `spec`; none at all means all defaults.

    Raises:
        InvalidSpecError: Naming each field that is wrong, what came and what was expected.
    """
    try:
        return JobSpec.model_validate_json(b"{}" if sent is None else sent)
    except ValidationError as error:
        faults = field_errors(error.errors(include_url=False))
        raise InvalidSpecError(f"The spec is not valid: {summarise(faults)}", errors=faults) from None
