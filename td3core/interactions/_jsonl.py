"""Reading JSON Lines: one object per line."""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import cast

import polars as pl

from td3core.errors import LogProblem, UnreadableLogError
from td3core.interactions._blocks import Block
from td3core.interactions._columns import Columns, check_width, refuse_unused_times
from td3core.interactions._encoding import not_utf8
from td3core.interactions._problems import shown
from td3core.interactions._times import looks_like_a_time
from td3core.interactions._values import LINE

_KEY_LINES = 1000
"""Number of lines that are searched for keys to find the columns."""
_NO_TEXT = object()
_KEY = re.compile(rb'"([^"\\]{1,80})"\s*:')


def first_objects(block: Block, *, most: int) -> list[dict[str, object]]:
    """Return the objects of the first lines.

    Raises:
        UnreadableLogError: No line is a JSON object, or they have more than `most` different keys.
    """
    if block.data.lstrip().startswith(b"["):
        raise UnreadableLogError("the file is one JSON array; expected JSON Lines, with one object per line")
    objects: list[dict[str, object]] = []
    keys: set[str] = set()
    for _, record in islice(_lines(block), _KEY_LINES):
        if isinstance(record, dict):
            objects.append(record)
            keys.update(record)
            check_width(len(keys), most)
    if not keys:
        raise UnreadableLogError(f"{_what_it_is(block.data)}; expected one JSON object in each line")
    return objects


def _what_it_is(data: bytes) -> str:
    first, _, rest = data.strip().partition(b"\n")
    if re.match(rb"\{\s*u?'", first):
        return "the lines are dictionaries of Python, not JSON (json.dumps writes it)"
    if first.startswith(b"{"):
        if re.search(rb"\}\s*,?\s*\{", first):
            return "the first line has several objects"
        if rest:
            return "the file is a JSON document over many lines"
    return "no line is a JSON object"


@dataclass(frozen=True, slots=True)
class JsonLinesFormat:
    """Records of JSON Lines."""

    columns: Columns
    watch: bool = False
    """Whether a key that is named like a time is refused, because the first lines have none and nobody said so."""

    def parse(self, block: Block) -> pl.DataFrame | None:
        """Return the columns by role, as text; None if the block must be examined line by line."""
        if self.watch:
            _refuse_late_times(block)
        names = self.columns.by_role()
        try:
            frame = pl.read_ndjson(block.data, schema=dict.fromkeys(names.values(), pl.String()))
        except pl.exceptions.PolarsError:
            return None
        # polars writes booleans, lists and objects as JSON text
        nested = pl.any_horizontal(pl.all().str.contains(r"^(?:\[|\{|true$|false$)").any())
        if frame.height and frame.select(nested).item():
            return None
        return pl.DataFrame([frame[name].alias(role) for role, name in names.items()])

    def examine(
        self, block: Block, *, problems: int, records: int | None
    ) -> tuple[pl.DataFrame, list[LogProblem]]:
        """Return the well-formed records with their line numbers, and the problems of the others."""
        names = self.columns.by_role()
        found: list[LogProblem] = []
        rows: list[dict[str, object]] = []
        for line, record in _lines(block):
            if len(found) >= problems or len(rows) == records:
                break
            if not isinstance(record, dict):
                found.append(record)
                continue
            row: dict[str, object] = {LINE: line}
            for role, name in names.items():
                row[role] = _text(record.get(name))
                if row[role] is _NO_TEXT:
                    value = shown(json.dumps(record[name]))
                    found.append(LogProblem("neither text nor a number", line, name, value))
            if _NO_TEXT not in row.values():
                rows.append(row)
        schema = {**dict.fromkeys(names, pl.String()), LINE: pl.Int64()}
        return pl.DataFrame(rows, schema=schema), found


def _refuse_late_times(block: Block) -> None:
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
            if isinstance(record, dict) and (late := sorted(found & record.keys())):
                refuse_unused_times(late, f" (which the first {_KEY_LINES:,} lines lack)")


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
        case float():  # without an exponent, as polars has it
            return format(Decimal(repr(value)), "f").removesuffix(".0")
        case _:
            return _NO_TEXT


def _lines(block: Block) -> Iterator[tuple[int, dict[str, object] | LogProblem]]:
    """Yield every line that is not blank, as an object or as a problem."""
    for line, data in enumerate(block.data.split(b"\n"), start=block.line):
        if not data.strip():
            continue
        try:
            record: object = json.loads(data.decode())
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
