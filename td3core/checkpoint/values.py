"""Typed values as trees of JSON values and tensors, and back.

A dataclass, a named tuple or a Pydantic model becomes an object with its fields, so that a tree can be read
without the class that it came from, and by the class's type hints it becomes the same value again.
"""

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from torch import Tensor

Tree = Any
"""Objects, lists, JSON values and tensors."""


class TreeError(ValueError):
    """The tree is not one of the type."""


def to_tree(value: Any) -> Tree:
    """Return the value with an object in place of all that has fields, and a list for every sequence."""
    if _has_fields(type(value)):
        return {name: to_tree(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {key: to_tree(part) for key, part in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [to_tree(part) for part in cast("Sequence[Any]", value)]
    return value


def from_tree(kind: Any, tree: Tree, path: str = "") -> Any:
    """Return the value of type `kind` that `to_tree` made the tree of.

    Of the types of a union it is the first that the tree looks like: dataclasses are told apart by their fields.

    Raises:
        TreeError: it is of another type; the message names the place.
    """
    kinds = get_args(kind) if _origin(kind) in (Union, types.UnionType) else (kind,)
    kind = next((kind for kind in kinds if _looks_like(kind, tree)), None)
    if kind is None:
        raise TreeError(f"{path or 'it'} is {_shown(tree)}, not {' or '.join(map(_name_of, kinds))}")
    origin, parts = _origin(kind), get_args(kind)
    if _has_fields(origin):
        hints = _field_types(kind)
        return origin(**{name: from_tree(hints[name], tree[name], f"{path}/{name}") for name in tree})
    if isinstance(origin, type) and issubclass(origin, BaseModel):
        return origin.model_validate(tree)
    if parts and isinstance(tree, dict):
        items = cast("dict[str, Tree]", tree).items()
        return {key: from_tree(parts[1], part, f"{path}/{key}") for key, part in items}
    if parts and isinstance(tree, list):
        return origin(
            from_tree(parts[0], part, f"{path}/{index}")
            for index, part in enumerate(cast("list[Tree]", tree))
        )
    return tree


def _looks_like(kind: Any, tree: Tree) -> bool:
    """Whether the outermost of the tree is of the type; dimensions of tensors are for the reader alone."""
    origin = _origin(kind)
    if origin is Any:
        return True
    if origin is Literal:
        return tree in get_args(kind)
    if _has_fields(origin):
        return isinstance(tree, dict) and set(cast("dict[str, Tree]", tree)) == set(_names(origin))
    if issubclass(origin, BaseModel):
        return isinstance(tree, dict) and set(cast("dict[str, Tree]", tree)) == set(origin.model_fields)
    for ours, stored in (
        (Mapping, dict),
        (list, list),
        (tuple, list),
        (Tensor, Tensor),
        (float, (int, float)),
    ):
        if issubclass(origin, ours):
            return isinstance(tree, stored)
    return isinstance(tree, origin)


def _field_types(kind: Any) -> dict[str, Any]:
    """Return the types of the fields, those that a generic class was given in place of its type variables."""
    origin = _origin(kind)
    given: dict[Any, Any] = dict(zip(getattr(origin, "__parameters__", ()), get_args(kind), strict=False))

    def filled(hint: Any) -> Any:
        if isinstance(hint, TypeVar):
            return given[hint]
        variables = getattr(hint, "__parameters__", ())
        return hint[tuple(given[variable] for variable in variables)] if variables else hint

    return {name: filled(hint) for name, hint in get_type_hints(origin).items()}


def _shown(tree: Tree) -> str:
    if isinstance(tree, dict):
        return f"an object with the fields {sorted(cast('dict[str, Tree]', tree))}"
    return f"a tensor of shape {tuple(tree.shape)}" if isinstance(tree, Tensor) else repr(tree)[:80]


def _name_of(kind: Any) -> str:
    if _has_fields(_origin(kind)):
        return f"{_origin(kind).__name__} with the fields {sorted(_names(_origin(kind)))}"
    return getattr(kind, "__name__", str(kind))


def _names(kind: Any) -> list[str]:
    return [field.name for field in fields(kind)] if is_dataclass(kind) else list(kind._fields)


def _has_fields(kind: Any) -> bool:
    """Whether it is a dataclass or a named tuple."""
    return isinstance(kind, type) and (is_dataclass(kind) or hasattr(kind, "_fields"))


def _origin(kind: Any) -> Any:
    return get_origin(kind) or kind
