"""Ids that are written in two ways."""

import polars as pl

from td3core.errors import LogProblem, UnreadableLogError
from td3core.interactions._columns import Role


def check_spelling(role: Role, ids: pl.Series) -> None:
    """Refuse whole numbers that are written with and without `.0`, as where exports with and without gaps are joined.

    Raises:
        UnreadableLogError: A user or an item would be two.
    """
    decimals = ids.filter(ids.str.ends_with(".0"))
    if decimals.is_empty():
        return
    numbers = decimals.filter(decimals.str.contains(r"^-?\d+\.0$")).str.strip_suffix(".0").unique()
    twice = ids.filter(ids.is_in(numbers.implode())).head(1).to_list()
    if twice:
        raise UnreadableLogError(
            f"the {role} ids are whole numbers in two spellings, such as {twice[0]} and {twice[0]}.0; write all "
            "of them in one",
            [LogProblem("written in two ways", field=f"data.columns.{role}", value=f"{twice[0]}.0")],
        )
