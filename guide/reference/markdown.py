"""Tables and code in Markdown."""

from collections.abc import Iterable, Sequence
from itertools import compress


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table without the columns that are empty; a `|` or a line break in a cell does not end the cell."""
    kept = [list(row) for row in rows]
    used = [any(row[column] for row in kept) for column in range(len(header))]
    lines = [list(compress(line, used)) for line in (header, ["---"] * len(header), *kept)]
    return "\n".join(f"| {' | '.join(_cell(text) for text in line)} |" for line in lines) + "\n"


def code(text: object) -> str:
    """Code within a line."""
    return f"`{text}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
