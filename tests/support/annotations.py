"""A plugin of pytest: annotations of `td3core` are checked at calls, with the shapes and dtypes of tensors.

Nothing may import `td3core` before it. Processes that tests start run without the checks, as in production.

Checks of all calls would make training half as long again: each function is checked at its first calls in each test,
and at few of those that follow, which come from loops and look the same. Functions within functions are not checked.
"""

import functools
import inspect
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import jaxtyping
from beartype import BeartypeConf, FrozenDict, beartype

PACKAGE = Path(__file__).parents[2] / "td3core"
UNCHECKED = {
    "interactions": "polars's type of a column's type is a hint that beartype refuses",
    "checkpoint": "the type of a state may be a generic one with arguments, for which there is no annotation",
}
"""Packages without annotated tensors, and why they are left out."""
FIRST, EVERY = 50, 100
"""Each of the first calls of a function is checked in each test, and one in so many after them."""

check = beartype(conf=BeartypeConf(hint_overrides=FrozenDict({Self: Any}), is_pep484_tower=True))
"""`beartype`, but an int is a float to it (PEP 484), and `Self`, which it knows in whole classes alone, is anything:
the hook gives it functions one by one."""

calls: Counter[Callable[..., Any]] = Counter()
"""Of each function, in this test."""


def pytest_runtest_setup() -> None:
    calls.clear()


def checked_at_times(*, typechecker: Any) -> Callable[[Any], Any]:
    """`jaxtyping.jaxtyped`, as its import hook calls it, for some of the calls."""
    decorate: Callable[[Any], Any] = jaxtyped(typechecker=typechecker)

    def decorated(target: Any) -> Any:
        if "<locals>" in target.__qualname__:  # made anew whenever the function around it is called
            return target
        checked = decorate(target)
        if not inspect.isfunction(target):
            return checked

        @functools.wraps(target)
        def call(*arguments: Any, **named: Any) -> Any:
            calls[target] += 1
            if calls[target] <= FIRST or calls[target] % EVERY == 0:
                return checked(*arguments, **named)
            return target(*arguments, **named)

        return call

    return decorated


def packages() -> list[str]:
    """Every module and package of `td3core` that is checked."""
    names = {
        path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    return [f"td3core.{name}" for name in sorted(names - {"__init__"} - set(UNCHECKED))]


jaxtyped: Any = jaxtyping.jaxtyped
jaxtyping.jaxtyped = checked_at_times
jaxtyping.install_import_hook(packages(), f"{__name__}.check")
