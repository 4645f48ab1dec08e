"""A plugin of pytest: annotations of `td3core` are checked at every call, with the shapes and dtypes of tensors.

Nothing may import `td3core` before it. Processes that tests start run without the checks, as in production.
"""

from pathlib import Path
from typing import Any, Self

from beartype import BeartypeConf, FrozenDict, beartype
from jaxtyping import install_import_hook

PACKAGE = Path(__file__).parents[2] / "td3core"
UNCHECKED = {
    "interactions": "polars's type of a column's type is a hint that beartype refuses",
    "checkpoint": "the type of a state may be a generic one with arguments, for which there is no annotation",
}
"""Packages without annotated tensors, and why they are left out."""

check = beartype(conf=BeartypeConf(hint_overrides=FrozenDict({Self: Any}), is_pep484_tower=True))
"""`beartype`, but an int is a float to it (PEP 484), and `Self`, which it knows in whole classes alone, is anything:
the hook gives it functions one by one."""


def checked() -> list[str]:
    """Every module and package of `td3core`."""
    names = {
        path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    return [f"td3core.{name}" for name in sorted(names - {"__init__"} - set(UNCHECKED))]


install_import_hook(checked(), f"{__name__}.check")
