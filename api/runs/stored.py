"""Stored results in an answer: typed where this version knows them, and as they were stored where it does not.

What a later version wrote, or one before a field was there, must not make a whole page of runs unreadable.
"""

from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import (
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapSerializer,
    WrapValidator,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Unknown:
    """What does not validate."""

    stored: Any


def _read(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    if isinstance(value, _Unknown):
        return value
    try:
        return handler(value)
    except ValidationError:
        return _Unknown(value)


def _show(value: Any, handler: SerializerFunctionWrapHandler) -> Any:
    return value.stored if isinstance(value, _Unknown) else handler(value)


Stored = Annotated[T | None, WrapValidator(_read), WrapSerializer(_show)]
"""A part of a result; null before there is one."""
