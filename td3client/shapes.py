"""Whether an answer has the shape that `td3client.resources` says.

Only what is there is checked: an earlier service lacks fields, a later one has more of them, and other values of an
enumeration.
"""

import types
from functools import cache
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


class ShapeError(ValueError):
    """A field is of another type; the message names it."""


def check_shape(kind: Any, value: object, where: str) -> None:
    """Raise ShapeError unless the value is of the type: a `TypedDict`, or what its fields are made of."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return
    if is_typeddict(kind):
        fields = _of_type(dict, value, where)
        for name, hint in _hints(kind).items():
            if name in fields:
                check_shape(hint, fields[name], f"{where}.{name}")
    elif origin in (Union, types.UnionType):
        if value is None and type(None) in parts:
            return
        wanted = [part for part in parts if part is not type(None)]
        check_shape(float if set(wanted) == {int, float} else wanted[0], value, where)
    elif origin is Literal:
        _of_type(type(parts[0]), value, where)
    elif origin is list:
        for number, part in enumerate(_of_type(list, value, where)):
            check_shape(parts[0], part, f"{where}[{number}]")
    elif origin is dict:
        for name, part in _of_type(dict, value, where).items():
            check_shape(parts[1], part, f"{where}.{name}")
    else:
        _of_type(kind, value, where)


def _of_type(kind: type, value: object, where: str) -> Any:
    kinds = (int, float) if kind is float else kind
    if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
        raise ShapeError(f"{where[:200]} is {repr(value)[:100]}; expected {_NAMES[kind]}")
    return cast("Any", value)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
