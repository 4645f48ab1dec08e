"""Showing on a terminal how a log was read."""

from collections.abc import Iterator

from td3client.resources import ReadingReport

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}


def reading_lines(reading: ReadingReport) -> Iterator[str]:
    """What a log was taken for, what the filters dropped, and the warnings, one per line."""
    yield f"log: {'' if reading['whole'] else 'only the beginning was read: '}{_size(reading)}, {_file(reading)}"
    columns = ", ".join(f"{name} as {role}" for role, name in reading["columns"].items())
    passed_over = f"; not used: {', '.join(reading['passed_over'])}" if reading["passed_over"] else ""
    yield f"columns: {columns}{passed_over}"
    yield f"time: {_time(reading)}"
    dropped = ", ".join(f"{one['filter']} {one['share']:.1%}" for one in reading["dropped"])
    yield f"kept: {reading['kept_share']:.1%} of the interactions{f' (dropped: {dropped})' if dropped else ''}"
    for warning in reading.get("warnings", ()):
        yield f"warning: {warning['code']}: {warning['detail']}"


def _size(reading: ReadingReport) -> str:
    return f"{reading['interactions']:,} interactions of {reading['users']:,} users with {reading['items']:,} items"


def _file(reading: ReadingReport) -> str:
    parts = [reading["format"]]
    if reading["compression"] is not None:
        parts.append(f"compressed by {reading['compression']}")
    if reading["separator"] is not None:
        parts.append(f"separated by {_SEPARATORS.get(reading['separator'], reading['separator'])}")
    return " ".join(parts)


def _time(reading: ReadingReport) -> str:
    if reading["time_unit"] is None:
        return "none, the order of the file counts"
    span = ""
    if reading["first_time"] is not None and reading["last_time"] is not None:
        span = f", {reading['first_time'][:10]} to {reading['last_time'][:10]}"
    return f"{reading['time_unit']}{span}, {reading['ties'] or 0.0:.1%} ties"
