"""JSON documents: arrays of objects, objects over several lines, and several objects on one line."""

import json
import re
from collections.abc import Generator, Iterable

import numpy as np

from td3core.errors import UnreadableLogError
from td3core.interactions._blocks import slices

_STEPS = np.zeros(256, dtype=np.int8)
_STEPS[[ord("{"), ord("[")]] = 1
_STEPS[[ord("}"), ord("]")]] = -1
_QUOTE, _BACKSLASH, _COMMA, _SPACE, _NEWLINE = (np.uint8(ord(letter)) for letter in '"\\, \n')
_PIECE = 1 << 20
_BREAKS = re.compile(r"[\r\n]")


def is_document(head: bytes) -> bool:
    """Whether the text is JSON, but not of one object in each line. An object may be longer than this beginning."""
    if head.lstrip()[:1] == b"[":
        return True
    text = head.decode("utf-8", "replace").lstrip()
    first = _BREAKS.split(text, maxsplit=1)[0]
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except ValueError as error:
        cut_off = isinstance(error, json.JSONDecodeError) and error.pos > len(text) - 1000
        return first.rstrip() in ("{", "[{") and cut_off
    except RecursionError:
        return False
    return end > len(first) or bool(first[end:].strip())


def as_lines(chunks: Iterable[bytes], *, array: bool, may_be_cut: bool) -> Generator[bytes, None, None]:
    """Write each object in a line of its own, so that the number of a line is the number of an object.

    Only strings and brackets are understood; what else is wrong is found where the lines are parsed.

    Args:
        chunks: The text.
        array: Whether the objects are those of an array.
        may_be_cut: Whether the end may be missing.

    Raises:
        UnreadableLogError: Brackets or quotes do not match, as where the end is missing.
    """
    base, depth, in_string, backslashes = int(array), 0, False, 0
    for chunk in slices(chunks, _PIECE):
        letters = np.frombuffer(chunk, dtype=np.uint8).copy()
        quotes, backslashes = _quotes(letters, backslashes)
        strings = np.cumsum(quotes, dtype=np.uint8)
        strings += in_string
        outside = (strings & 1) == 0
        in_string = not outside[-1]
        steps = _STEPS[letters]
        steps[~outside] = 0
        depths = np.cumsum(steps, dtype=np.int64) + depth
        depth = int(depths[-1])
        if depths.min() < 0:
            raise UnreadableLogError("the JSON document is damaged: a bracket is closed that was not opened")
        between = outside & (depths <= base)
        ends = between & (steps < 0) & (depths == base)
        letters[outside & (letters < _SPACE)] = _SPACE
        letters[between & ((letters == _COMMA) | ((steps != 0) & ~ends))] = _SPACE
        yield np.insert(letters, np.flatnonzero(ends) + 1, _NEWLINE).tobytes()
    if not may_be_cut and (depth or in_string):
        raise UnreadableLogError("the JSON document is truncated: its end is missing")


def _quotes(letters: np.ndarray, backslashes: int) -> tuple[np.ndarray, int]:
    """Which letters begin or end a string, and how many backslashes there are at the end."""
    quotes = letters == _QUOTE
    others = np.flatnonzero(letters != _BACKSLASH)
    if len(others) == len(letters) and not backslashes:
        return quotes, 0
    places = np.flatnonzero(quotes)
    before = np.searchsorted(others, places) - 1
    run = places - np.where(before >= 0, others[before], -1 - backslashes) - 1
    quotes[places[run % 2 == 1]] = False
    return quotes, len(letters) - 1 - int(others[-1]) if len(others) else backslashes + len(letters)
