"""Finding the user, item, timestamp and rating columns of a log."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from td3core.config import ColumnsConfig
from td3core.errors import LogProblem, MissingColumnError

Role = Literal["user", "item", "timestamp", "rating"]
ROLES: tuple[Role, ...] = get_args(Role)

_USUAL_NAMES: dict[Role, str] = {
    "user": "user userid uid username customer customerid visitor visitorid reviewer reviewerid "
    "profileid accountid memberid",
    "item": "item itemid iid movie movieid product productid asin parentasin sku article articleid bookid "
    "isbn songid trackid artistid gameid appid newsid videoid businessid poiid venueid animeid recipeid",
    "timestamp": "timestamp ts time datetime date unixtime unixtimestamp unixreviewtime eventtime "
    "eventtimestamp eventdate createdat",
    "rating": "rating ratings ratingvalue score stars starrating overall",
}
"""Usual names in lower case, with letters and digits only, so that `userId`, `user_id` and `User ID` are the same."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns that were found, as written in the file."""

    user: str
    item: str
    timestamp: str | None
    rating: str | None

    def by_role(self) -> dict[Role, str]:
        """Return the columns that exist, by role."""
        named: dict[Role, str | None] = {
            "user": self.user,
            "item": self.item,
            "timestamp": self.timestamp,
            "rating": self.rating,
        }
        return {role: name for role, name in named.items() if name is not None}


def find_columns(header: Sequence[str], wanted: ColumnsConfig, *, rating_needed: bool) -> Columns:
    """Map roles to columns: first by the names in the spec, then by the usual names.

    The types in headers of RecBole are ignored: the column `user_id:token` is also found as `user_id`.

    Raises:
        MissingColumnError: A column is missing, ambiguous, or named for two roles.
    """
    named: dict[Role, str | None] = {
        "user": wanted.user,
        "item": wanted.item,
        "timestamp": wanted.timestamp,
        "rating": wanted.rating,
    }
    found: dict[Role, str] = {}
    for role, name in named.items():
        if name is not None:
            found[role] = _named(header, role, name)
    for role, name in named.items():
        if name is None:
            required = role in ("user", "item") or (role == "rating" and rating_needed)
            guess = _guess(
                [column for column in header if column not in found.values()], role, header, required
            )
            if guess is not None:
                found[role] = guess
    if len(set(found.values())) < len(found):
        raise MissingColumnError(
            f"data.columns names the same column for two roles: {_roles(found)}",
            [
                LogProblem("the column has two roles", field=f"data.columns.{role}", value=column)
                for role, column in found.items()
                if list(found.values()).count(column) > 1
            ],
        )
    repeated = [column for column in found.values() if header.count(column) > 1]
    if repeated:
        raise MissingColumnError(
            f"the log has more than one column named {repeated[0]!r}{_have(header)}",
            [LogProblem("more than one column has this name", column=column) for column in repeated],
        )
    return Columns(found["user"], found["item"], found.get("timestamp"), found.get("rating"))


def _named(header: Sequence[str], role: Role, name: str) -> str:
    if name in header:
        return name
    untyped = [column for column in header if _untyped(column) == name]
    if len(untyped) == 1:
        return untyped[0]
    raise MissingColumnError(
        f"the log has no column {name!r}, but data.columns.{role} names it{_have(header)}",
        [LogProblem("the log has no column with this name", field=f"data.columns.{role}", value=name)],
    )


def _guess(free: Sequence[str], role: Role, header: Sequence[str], required: bool) -> str | None:
    usual = _USUAL_NAMES[role].split()
    matching = [column for column in free if _plain(column) in usual]
    if len(matching) == 1:
        return matching[0]
    if matching and (required or role == "timestamp"):
        raise MissingColumnError(
            f"several columns may contain the {role}: {', '.join(matching)}; set data.columns.{role}{_have(header)}",
            [LogProblem(f"several columns may contain the {role}", field=f"data.columns.{role}")],
        )
    if required:
        raise MissingColumnError(
            f"no column is recognised as the {role}; set data.columns.{role}{_have(header)}",
            [LogProblem(f"no column is recognised as the {role}", field=f"data.columns.{role}")],
        )
    return None


def _plain(column: str) -> str:
    return "".join(letter for letter in _untyped(column).lower() if letter.isalnum())


def _untyped(column: str) -> str:
    return column.partition(":")[0]


def _have(header: Sequence[str]) -> str:
    shown = ", ".join(column[:60] for column in header[:40])
    return f" (columns of the log: {shown}{', …' if len(header) > 40 else ''})"


def _roles(found: dict[Role, str]) -> str:
    return ", ".join(f"{role} = {name}" for role, name in found.items())
