"""Which column of a log is the user, the item, the timestamp and the rating."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from td3core.config import ColumnsConfig
from td3core.errors import MissingColumnError

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
"""Usual names in lower case, letters and digits only, so that `userId`, `user_id` and `User ID` are one."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Names, as the file writes them, of the columns that were found."""

    user: str
    item: str
    timestamp: str | None
    rating: str | None

    def by_role(self) -> dict[Role, str]:
        """The columns that are there."""
        named: dict[Role, str | None] = {
            "user": self.user,
            "item": self.item,
            "timestamp": self.timestamp,
            "rating": self.rating,
        }
        return {role: name for role, name in named.items() if name is not None}


def find_columns(header: Sequence[str], wanted: ColumnsConfig, *, rating_needed: bool) -> Columns:
    """Map roles to columns: the spec's names first, then the usual names.

    RecBole's typed header counts without its type: the column `user_id:token` is also found as `user_id`.

    Raises:
        MissingColumnError: if a column is missing, several could be meant, or one would play two roles.
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
        raise MissingColumnError(f"one column is named for two roles in data.columns: {_roles(found)}")
    repeated = [column for column in found.values() if header.count(column) > 1]
    if repeated:
        raise MissingColumnError(f"the log has more than one column {repeated[0]!r}{_have(header)}")
    return Columns(found["user"], found["item"], found.get("timestamp"), found.get("rating"))


def _named(header: Sequence[str], role: Role, name: str) -> str:
    if name in header:
        return name
    untyped = [column for column in header if _untyped(column) == name]
    if len(untyped) == 1:
        return untyped[0]
    raise MissingColumnError(
        f"the log has no column {name!r}, which data.columns.{role} names{_have(header)}"
    )


def _guess(free: Sequence[str], role: Role, header: Sequence[str], required: bool) -> str | None:
    usual = _USUAL_NAMES[role].split()
    matching = [column for column in free if _plain(column) in usual]
    if len(matching) == 1:
        return matching[0]
    if matching and (required or role == "timestamp"):
        raise MissingColumnError(
            f"several columns could be the {role}: {', '.join(matching)}; "
            f"set data.columns.{role}{_have(header)}"
        )
    if required:
        raise MissingColumnError(
            f"the log has no column that is known to be the {role}; set data.columns.{role}{_have(header)}"
        )
    return None


def _plain(column: str) -> str:
    return "".join(letter for letter in _untyped(column).lower() if letter.isalnum())


def _untyped(column: str) -> str:
    return column.partition(":")[0]


def _have(header: Sequence[str]) -> str:
    shown = ", ".join(column[:60] for column in header[:40])
    return f" (the log has: {shown}{', …' if len(header) > 40 else ''})"


def _roles(found: dict[Role, str]) -> str:
    return ", ".join(f"{role} = {name}" for role, name in found.items())
