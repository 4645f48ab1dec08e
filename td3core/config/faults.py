"""What is wrong with a document: the errors of pydantic by field, in the words of this library."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel

ABSENT: Final = object()
"""Stands for the value of a field that was not sent."""
_SHOWN = 100  # characters of a value
_EXPECTED = {
    "missing": "a value",
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_parsing_size": "an integer of fewer digits",
    "int_from_float": "an integer",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a text",
    "string_unicode": "a text in UTF-8",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": "a text that matches {pattern}",
    "byte_size": "a number of bytes, such as 1048576 or 1MiB",
    "byte_size_unit": "a number of bytes, such as 1048576 or 1MiB",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "list_type": "a list",
    "tuple_type": "a list",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
"""Type of an error of pydantic -> what was expected, with the values of its context."""


class FieldError(ValueError):
    """A value does not fit, as a validator of ours found.

    Args:
        got: The value.
        field: Where it is, from the model or field that the validator belongs to; empty: just there.
        expected: What was expected.
        reason: What is wrong, if that is no matter of this field alone. It continues a sentence that begins with the
            field and the value.
    """

    def __init__(
        self, got: object, *, field: str = "", expected: str | None = None, reason: str | None = None
    ) -> None:
        self.got, self.field, self.expected, self.reason = got, field, expected, reason
        path = tuple(field.split(".")) if field else ()
        super().__init__(str(Fault(path, got, expected=expected, reason=reason)))


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a document: where, what came, and what was expected, or the reason."""

    path: tuple[str | int, ...]
    got: Any = ABSENT
    expected: str | None = None
    reason: str | None = None

    @property
    def field(self) -> str:
        """The path in one word; empty for the whole document. Names that a client made up may be long."""
        return ".".join(_short(str(part)) for part in self.path)

    def __str__(self) -> str:
        if self.reason is not None:
            parts = (self.field, "" if self.got is ABSENT else _short(str(self.got)), self.reason)
            return " ".join(part for part in parts if part)
        where = f"{self.field}: " if self.path else ""
        got = "" if self.got is ABSENT else f" (got {_short(repr(self.got))})"
        return f"{where}expected {self.expected}{got}"


def faults(errors: Iterable[Mapping[str, Any]], model: type[BaseModel] | None = None) -> Iterator[Fault]:
    """Yield what the errors of pydantic say.

    Args:
        errors: As `ValidationError.errors()` returns them.
        model: What the document was to be; with it, an unknown field is answered with those that there are.
    """
    for error in errors:
        if not _follows_from_items(error):
            yield _fault(error, model)


def expectation(error: Mapping[str, Any]) -> str:
    """What was expected in place of the value, for an error of pydantic."""
    text = _EXPECTED.get(error["type"])
    if text is not None:
        return text.format_map({name: _number(value) for name, value in error.get("ctx", {}).items()})
    message: str = error["msg"]
    return message.removeprefix("Value error, ").removeprefix("Input should be ")


def _fault(error: Mapping[str, Any], model: type[BaseModel] | None) -> Fault:
    path: tuple[str | int, ...] = tuple(error["loc"])
    raised = error.get("ctx", {}).get("error")
    if isinstance(raised, FieldError):
        path += tuple(raised.field.split(".")) if raised.field else ()
        return Fault(path, raised.got, expected=raised.expected, reason=raised.reason)
    if error["type"] == "json_invalid":
        return Fault(path, expected="JSON", reason=f"not valid JSON: {raised or error['msg']}")
    if error["type"] == "extra_forbidden":
        return Fault(path, error["input"], expected=_known_fields(path, model))
    got = ABSENT if error["type"] == "missing" else error.get("input")
    return Fault(path, got, expected=expectation(error))


def _follows_from_items(error: Mapping[str, Any]) -> bool:
    """Whether a list is too short only without its invalid items, which have errors of their own."""
    return error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]


def _known_fields(path: tuple[str | int, ...], model: type[BaseModel] | None) -> str:
    """What could have been meant by an unknown field."""
    for part in path[:-1]:
        field = model.model_fields.get(part) if model is not None and isinstance(part, str) else None
        if isinstance(part, str):
            model = _model_in(field.annotation) if field is not None else None
    if model is None:
        return "no field with this name"
    names = list(model.model_fields)
    meant = get_close_matches(str(path[-1]), names, n=1)
    return f"one of the fields {', '.join(names)}" + (f"; did you mean {meant[0]}?" if meant else "")


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The model that an annotation is or contains, such as `TrendConfig | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(part) for part in get_args(annotation))
    return next((model for model in found if model is not None), None)


def _number(value: object) -> object:
    return f"{value:g}" if isinstance(value, float) else value


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
