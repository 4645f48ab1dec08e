"""Reading JSON Lines: one object per line, which is an interaction or holds some."""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from math import isfinite
from typing import cast

import polars as pl

from td3core.config import DataConfig
from td3core.errors import LogProblem, MissingColumnError, UnreadableLogError
from td3core.interactions._blocks import Block
from td3core.interactions._columns import Columns, check_width, find_columns, refuse_unused_times
from td3core.interactions._encoding import not_utf8
from td3core.interactions._events import Events, Record, find_events, keys_of_events
from td3core.interactions._problems import shown
from td3core.interactions._times import looks_like_a_time
from td3core.interactions._values import LINE

_KEY_LINES = 1000
"""Number of lines that are searched for keys to find the columns."""
_MOST_DIGITS = 17
"""Those of a floating-point number."""
_LARGE = 10**9
"""From where on a number with an exponent is looked at: a time since 1970, or an id that was rounded."""
_NO_TEXT = object()
_LARGEST_EXPONENT = 400
"""Beyond that of any float: a number with a larger one would be written in as many digits."""
_LONG_NUMBER = rb"-?(?:\d+\.\d{8}|\d{16,}\.|\d(?:\.\d*)?[eE]\+?\d)"
_HALF = re.compile(rb"\\u[dD][89abAB]")
_KEY = re.compile(rb'"([^"\\]{1,80})"\s*:')


def open_json(first: Block, data: DataConfig, *, most: int) -> tuple["JsonLinesFormat", Columns]:
    """Return how the objects are read, and the keys that are the columns.

    Raises:
        UnreadableLogError: No line is a JSON object, or they have more than `most` different keys.
        MissingColumnError: A column or the list of events is missing or ambiguous.
    """
    objects = _first_objects(first, most)
    if data.events is None:
        events = None
        _refuse_containers(objects)
    else:
        events = find_events(data.events, objects)
        keys = {*events.keys, *(key for record in objects for key in record)} - {data.events}
        check_width(len(keys), most)
        flat = [events.flattened(record, 1, keys) for record in objects]
        objects = [
            event for one in flat if not isinstance(one, LogProblem) for event in islice(one, _KEY_LINES)
        ]
    keys = list(dict.fromkeys(key for record in objects for key in record))
    columns = find_columns(
        keys, data, lambda key: [str(record[key]) for record in objects if record.get(key) is not None]
    )
    if events is not None and columns.item not in events.keys:
        raise MissingColumnError(
            f"the item {columns.item!r} is not a key of the objects in {events.name!r}; set data.columns.item",
            [LogProblem("not a key of the events", field="data.columns.item", value=columns.item)],
        )
    watch = data.rules > 1 and columns.timestamp is None and data.columns.timestamp is None
    return JsonLinesFormat(columns, watch, events, exact=data.rules > 1), columns


def _first_objects(block: Block, most: int) -> list[Record]:
    objects: list[Record] = []
    keys: set[str] = set()
    for _, record in islice(_lines(block), _KEY_LINES):
        if isinstance(record, dict):
            objects.append(record)
            keys.update(record)
            check_width(len(keys), most)
    if not keys:
        raise UnreadableLogError(f"{_what_it_is(block.data)}; expected a JSON object for each interaction")
    return objects


def _refuse_containers(objects: list[Record]) -> None:
    """Refuse a document of one object that holds the interactions, or the columns."""
    if len(objects) > 1:
        return
    (only,) = objects
    lists = [
        key for key, value in only.items() if isinstance(value, list) and value and isinstance(value[0], dict)
    ]
    if lists:
        raise UnreadableLogError(
            f"the file is one JSON object with a list of objects in {lists[0]!r}. If they are the interactions of one "
            f"user each, send them alone, as `jq -c '.{lists[0]}[]'` writes them; if they are those of this object's "
            f"user, set data.events to {lists[0]}",
            [LogProblem("one object with a list of objects", field="data.events", value=lists[0])],
        )
    if only and all(isinstance(value, dict | list) for value in only.values()):
        raise UnreadableLogError(
            "the file is one JSON object of columns or of users; write an object for each interaction, as "
            'DataFrame.to_json(orient="records", lines=True) of pandas does'
        )


def _what_it_is(data: bytes) -> str:
    first, _, rest = data.strip().partition(b"\n")
    if re.match(rb"\{\s*u?'", first):
        return "the lines are dictionaries of Python, not JSON (json.dumps writes it)"
    if first.startswith(b"["):
        return "the lines, or the elements of an array, are arrays"
    if first.startswith(b"{") and rest:
        return "the first line is not a whole JSON object, nor is any other"
    return "no line is a JSON object"


@dataclass(frozen=True, slots=True)
class JsonLinesFormat:
    """Records of JSON Lines."""

    columns: Columns
    watch: bool = False
    """Whether a key that is named like a time is refused, because the first lines have none and nobody said so."""
    events: Events | None = None
    """Where the interactions are, if the objects are not interactions themselves."""
    exact: bool = True
    """Whether numbers are read with all their digits, and told apart from those that were rounded."""

    def parse(self, block: Block) -> pl.DataFrame | None:
        """Return the columns by role, as text; None if the block must be examined line by line."""
        if self.watch:
            _refuse_late_times(block, self.events)
        if self.exact and self._has_exact_numbers(block):
            return None
        names = self.columns.by_role()
        schema: dict[str, pl.DataType] = dict.fromkeys(names.values(), pl.String())
        if self.events is not None:
            schema = self.events.schema(list(names.values()))
        try:
            frame = pl.read_ndjson(block.data, schema=schema)
        except pl.exceptions.PolarsError:
            return None
        lines = frame.height
        if self.events is not None:
            frame = self.events.exploded(frame)
            if frame is None:
                return None
        inner = self.events.keys if self.events else ()
        if any(
            _number_of(name, block.data) > (frame.height if name in inner else lines)
            for name in names.values()
        ):
            return None  # of a key that is there twice, polars would take the first
        # polars writes booleans, lists and objects as JSON text
        nested = pl.any_horizontal(pl.all().str.contains(r"^(?:\[|\{|true$|false$|-?Infinity$)").any())
        if frame.height and frame.select(nested).item():
            return None
        if (
            _HALF.search(block.data)
            and frame.select(pl.any_horizontal(pl.all().str.contains("\0", literal=True).any())).item()
        ):
            return None  # polars writes half of a surrogate pair as NUL
        return pl.DataFrame([frame[name].alias(role) for role, name in names.items()])

    def _has_exact_numbers(self, block: Block) -> bool:
        """Whether an id or a timestamp has more digits than polars keeps, which makes it a floating-point number."""
        keys = [self.columns.user, self.columns.item, self.columns.timestamp]
        names = b"|".join(re.escape(json.dumps(key).encode()) for key in keys if key is not None)
        return re.search(b"(?:" + names + rb")\s*:\s*" + _LONG_NUMBER, block.data) is not None

    def examine(
        self, block: Block, *, problems: int, records: int | None
    ) -> tuple[pl.DataFrame, list[LogProblem]]:
        """Return the well-formed records with their line numbers, and the problems of the others."""
        names = self.columns.by_role()
        found: list[LogProblem] = []
        rows: list[dict[str, object]] = []
        for line, record in _lines(block, exact=self.exact):
            if len(found) >= problems or (records is not None and len(rows) >= records):
                break
            if not isinstance(record, dict):
                found.append(record)
                continue
            if (key := _repeated(record, self.events)) is not None:
                found.append(LogProblem("the object has this key twice", line, key))
                continue
            events = [record] if self.events is None else self.events.flattened(record, line, names.values())
            if isinstance(events, LogProblem):
                found.append(events)
                continue
            for event in events:
                row: dict[str, object] = {role: _text(event.get(name)) for role, name in names.items()}
                for role, name in names.items():
                    if row[role] is _NO_TEXT:
                        value = shown(json.dumps(event[name], default=str))
                        found.append(LogProblem("neither text nor a number", line, name, value))
                if _NO_TEXT not in row.values():
                    rows.append({LINE: line, **row})
        schema = {**dict.fromkeys(names, pl.String()), LINE: pl.Int64()}
        return pl.DataFrame(rows, schema=schema), found


def _refuse_late_times(block: Block, events: Events | None) -> None:
    names = {key: key.decode("utf-8", "replace") for key in _KEY.findall(block.data)}
    times = {key: name for key, name in names.items() if looks_like_a_time(name)}
    if not times:
        return
    looked_at = Counter[str]()
    for line in block.data.split(b"\n"):
        found = {times[key] for key in _KEY.findall(line) if key in times}
        found = {name for name in found if looked_at[name] < _KEY_LINES}
        looked_at.update(found)  # it may be a key of a nested object, or stand in a text
        for _, record in _lines(Block(line, 1)) if found else ():
            if not isinstance(record, dict):
                continue
            keys = record.keys() | (keys_of_events(events.name, [record]) if events else set())
            if late := sorted(found & keys):
                refuse_unused_times(late, f" (which the first {_KEY_LINES:,} lines lack)")


def _number_of(key: str, data: bytes) -> int:
    """How often this key is there, or a text that looks like it."""
    quoted = json.dumps(key, ensure_ascii=False).encode()
    if b'" :' in data:
        return len(re.findall(re.escape(quoted) + rb"\s*:", data))
    return data.count(quoted + b":")


def _text(value: object) -> object:
    """Return text unchanged, numbers as decimals, and None for null."""
    match value:
        case None:
            return None
        case str():  # half of a surrogate pair, which JSON can spell, is not valid text
            return _NO_TEXT if any("\ud800" <= letter <= "\udfff" for letter in value) else value
        case bool():
            return _NO_TEXT
        case int():
            return str(value)
        case Decimal() | float() if not isfinite(value) or abs(Decimal(value).adjusted()) > _LARGEST_EXPONENT:
            return _NO_TEXT
        case _Exponent() if value.text is not None:
            return value.text
        case Decimal():
            return format(value, "f")
        case float():  # without an exponent, as polars has it
            return format(Decimal(repr(value)), "f").removesuffix(".0")
        case _:
            return _NO_TEXT


class _Exponent(float):
    """A large number that is written with an exponent, of which the digits count, and so its text."""

    text: str | None = None


def _former_float(text: str) -> float | Decimal:
    return float(text) if len(text) <= _MOST_DIGITS + 1 else Decimal(text)


def _float(text: str) -> float | Decimal | int:
    if "e" in text.lower():
        number = _Exponent(text)
        number.text = re.sub(r"[eE]\+?", "e+", text) if abs(number) >= _LARGE else None
        return number
    if len(text) < _MOST_DIGITS:
        return float(text)
    whole, _, fraction = text.partition(".")
    return Decimal(text) if fraction.strip("0") else int(whole)


class _Repeating(Record):
    """An object that has a key twice."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        ((self.repeated, _),) = Counter(key for key, _ in pairs).most_common(1)


def _repeated(record: Record, events: Events | None) -> str | None:
    """Return a key that an object, or one of the events in it, has twice."""
    inner = record.get(events.name) if events else None
    objects = [record, *(cast(list[object], inner) if isinstance(inner, list) else ())]
    return next((one.repeated for one in objects if isinstance(one, _Repeating)), None)


def _object(pairs: list[tuple[str, object]]) -> Record:
    record = dict(pairs)
    return record if len(record) == len(pairs) else _Repeating(pairs)


def _lines(block: Block, *, exact: bool = True) -> Iterator[tuple[int, dict[str, object] | LogProblem]]:
    """Yield every line that is not blank, as an object or as a problem; `exact` keeps all digits of numbers."""
    parse_float = _float if exact else _former_float
    for line, data in enumerate(block.data.split(b"\n"), start=block.line):
        if not data.strip():
            continue
        try:
            record: object = json.loads(data.decode(), parse_float=parse_float, object_pairs_hook=_object)
        except UnicodeDecodeError:
            yield (
                line,
                LogProblem(
                    not_utf8(data),
                    line,
                    value=shown(data.decode("utf-8", "backslashreplace")),
                    field="data.encoding",
                ),
            )
        except (json.JSONDecodeError, RecursionError) as error:
            yield line, LogProblem(f"not valid JSON: {error}", line, value=shown(data.decode()))
        except ValueError:  # Python converts only so many digits, because its time grows with their square
            reason = f"a number has more than {sys.get_int_max_str_digits():,} digits"
            yield line, LogProblem(reason, line, value=shown(data.decode()))
        else:
            if isinstance(record, dict):
                yield line, cast(dict[str, object], record)
            else:
                yield line, LogProblem("not a JSON object", line, value=shown(data.decode()))
