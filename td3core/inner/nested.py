"""The tensors in nested tuples, named ones too, in order."""

from collections.abc import Iterator
from typing import Any, cast

from torch import Tensor


def leaves_of(nested: Any) -> Iterator[Tensor | None]:
    """Yield the tensors and None of nested tuples, in order."""
    if isinstance(nested, tuple):
        for part in cast(tuple[Any, ...], nested):
            yield from leaves_of(part)
    else:
        yield nested


def tensors_of(nested: Any) -> tuple[Tensor, ...]:
    """Return the tensors of nested tuples, in order."""
    return tuple(leaf for leaf in leaves_of(nested) if leaf is not None)


def filled(like: Any, tensors: Iterator[Tensor]) -> Any:
    """Return tuples nested like these, with these tensors in them."""
    if isinstance(like, tuple):
        parts = [filled(part, tensors) for part in cast(tuple[Any, ...], like)]
        return type(like)(*parts) if hasattr(like, "_fields") else tuple(parts)
    return None if like is None else next(tensors)
