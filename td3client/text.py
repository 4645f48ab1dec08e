"""Text of a server, made safe for a terminal.

Control characters move the cursor, change the title or the clipboard of a terminal; others reverse the direction of
writing, or cannot be written at all.
"""

import json
import re
from typing import Any, cast

_UNSAFE = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
_IN_TEXT = re.compile(f"[{_UNSAFE}]")
_IN_LINE = re.compile(f"[\t\n{_UNSAFE}]")


def plain(text: str) -> str:
    """Return the text with visible escapes in place of what is not to reach a terminal; lines and tabs stay."""
    return _IN_TEXT.sub(_escape, text)


def plain_line(text: str) -> str:
    """Return the text as one line: ends of lines and tabs become escapes as well."""
    return _IN_LINE.sub(_escape, text)


def plain_value(value: Any) -> Any:
    """Return a JSON value with all its texts as lines."""
    match value:
        case str():
            return plain_line(value)
        case dict():
            parts = cast("dict[str, Any]", value)
            return type(value)((plain_line(key), plain_value(part)) for key, part in parts.items())
        case list():
            return [plain_value(part) for part in cast("list[Any]", value)]
        case _:
            return value


def plain_json(value: Any) -> str:
    """Return the value as indented JSON that a terminal can show and a program can read."""
    return _IN_TEXT.sub(
        lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, indent=2, ensure_ascii=False)
    )


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
