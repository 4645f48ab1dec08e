"""Finding the user, item, timestamp and rating columns of a log."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from td3core.config import DataConfig
from td3core.errors import LogProblem, MissingColumnError, UnreadableLogError
from td3core.interactions._times import FORMER_TIMES, are_days, are_times, looks_like_a_time, usual_times

Role = Literal["user", "item", "timestamp", "rating"]
ROLES: tuple[Role, ...] = get_args(Role)

_NONE = "none"
"""What a spec says if there is no timestamp."""
_USUAL_NAMES: dict[Role, str] = {
    "user": "user userid uid username customer customerid visitor visitorid reviewer reviewerid "
    "profileid accountid memberid",
    "item": "item itemid iid movie movieid product productid asin parentasin sku article articleid bookid "
    "isbn songid trackid artistid gameid appid newsid videoid businessid poiid venueid animeid recipeid",
    "timestamp": " ".join(FORMER_TIMES),
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
    passed_over: tuple[str, ...] = ()
    """The other columns."""

    def by_role(self) -> dict[Role, str]:
        """Return the columns that exist, by role."""
        named: dict[Role, str | None] = {
            "user": self.user,
            "item": self.item,
            "timestamp": self.timestamp,
            "rating": self.rating,
        }
        return {role: name for role, name in named.items() if name is not None}


def check_width(columns: int, most: int) -> None:
    """Refuse a log with more columns than are read.

    Raises:
        UnreadableLogError: It has.
    """
    if columns > most:
        raise UnreadableLogError(f"the log has {columns:,} columns; expected at most {most:,}")


def find_columns(header: Sequence[str], data: DataConfig, values: Callable[[str], Iterable[str]]) -> Columns:
    """Map roles to columns: first by the names in the spec, then by the usual names.

    The types in headers of RecBole are ignored: the column `user_id:token` is also found as `user_id`. `values` returns
    some values of a column, by which it may look like a time. Ratings are left out if nothing is compared with them.

    Raises:
        MissingColumnError: A column is missing, ambiguous, named for two roles, or holds lists; no timestamp is found,
            but a column looks like a time.
    """
    wanted = data.columns
    rating_needed = data.min_rating is not None
    untimed = wanted.timestamp == _NONE and _NONE not in header
    named: dict[Role, str | None] = {
        "user": wanted.user,
        "item": wanted.item,
        "timestamp": None if untimed else wanted.timestamp,
        "rating": wanted.rating,
    }
    found: dict[Role, str] = {}
    for role, name in named.items():
        if name is not None:
            found[role] = _named(header, role, name)
    for role, name in named.items():
        if name is None and not (role == "timestamp" and untimed):
            required = role in ("user", "item") or (role == "rating" and rating_needed)
            free = [column for column in header if column not in found.values()]
            guess = _guess(free, role, header, required, data.rules)
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
    if data.rules > 1:
        _refuse_lists(found, header)
        if "timestamp" in found and wanted.timestamp is None:
            _refuse_days(found, header, values)
        if "timestamp" not in found and not untimed:
            free = [column for column in header if column not in found.values()]
            refuse_unused_times([column for column in free if looks_like_a_time(column, values(column))])
    if not rating_needed:
        found.pop("rating", None)
    return Columns(
        found["user"],
        found["item"],
        found.get("timestamp"),
        found.get("rating"),
        tuple(column for column in header if column not in found.values()),
    )


def has_usual_names(fields: Sequence[str], roles: Iterable[Role]) -> bool:
    """Whether some field is a usual name for each of the roles."""
    plain = {_plain(field) for field in fields}
    return all(not plain.isdisjoint(_USUAL_NAMES[role].split()) for role in roles)


def refuse_unused_times(columns: Sequence[str], where: str = "") -> None:
    """Refuse a log with columns that look like times, none of which is used.

    Raises:
        MissingColumnError: There is one.
    """
    if columns:
        names = ", ".join(columns[:10])
        raise MissingColumnError(
            f"no column is recognised as the timestamp, but some look like times: {names}{where}; set "
            "data.columns.timestamp to the one that orders the interactions, or to none to keep the order of the file",
            [
                LogProblem("looks like a time", column=column, field="data.columns.timestamp")
                for column in columns
            ],
        )


def _refuse_days(
    found: dict[Role, str], header: Sequence[str], values: Callable[[str], Iterable[str]]
) -> None:
    """Refuse to guess a column of days where another one may tell the order within a day."""
    free = [column for column in header if column not in found.values()]
    finer = [
        column
        for column in free
        if looks_like_a_time(column, values(column))
        and are_times(values(column))
        and not are_days(values(column))
    ]
    if finer and are_days(values(found["timestamp"])):
        refuse_unused_times([found["timestamp"], *finer])


def _refuse_lists(found: dict[Role, str], header: Sequence[str]) -> None:
    for role in ("user", "item"):
        if re.search(r":\w+_seq$", found[role]):
            raise MissingColumnError(
                f"the column {found[role]!r} holds lists, but the {role} must be one id{_have(header)}",
                [LogProblem("the column holds lists", column=found[role], field=f"data.columns.{role}")],
            )


def _named(header: Sequence[str], role: Role, name: str) -> str:
    if name in header:
        return name
    untyped = [column for column in header if _untyped(column) == name or column.strip() == name]
    if len(untyped) == 1:
        return untyped[0]
    raise MissingColumnError(
        f"the log has no column {name!r}, but data.columns.{role} names it{_have(header)}",
        [LogProblem("the log has no column with this name", field=f"data.columns.{role}", value=name)],
    )


def _guess(free: Sequence[str], role: Role, header: Sequence[str], required: bool, rules: int) -> str | None:
    plain = [_plain(column) for column in free]
    if role == "timestamp" and rules > 1:
        matching = usual_times(free, plain)
    else:
        usual = _USUAL_NAMES[role].split()
        matching = [column for column, name in zip(free, plain, strict=True) if name in usual]
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
