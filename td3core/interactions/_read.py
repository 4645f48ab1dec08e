"""Reading a log of any format, block by block, into memory."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Protocol

import polars as pl

from td3core.config import DataConfig
from td3core.errors import LogProblem, LogTooLargeError, LogTooSmallError, UnreadableLogError
from td3core.interactions._arrow import open_arrow
from td3core.interactions._blocks import Block, Limits, cut_blocks
from td3core.interactions._columns import Columns, Role, check_width, find_columns
from td3core.interactions._delimited import (
    DelimitedFormat,
    check_header,
    first_records,
    guess_separator,
    take_header,
)
from td3core.interactions._json_document import as_lines
from td3core.interactions._jsonl import open_json
from td3core.interactions._layout import FileLayout
from td3core.interactions._log import InteractionLog
from td3core.interactions._order import check_times, in_one_unit
from td3core.interactions._parquet import is_whole, open_parquet
from td3core.interactions._problems import ProblemReport
from td3core.interactions._quoting import (
    UNIT_SEPARATOR,
    Dialect,
    doubled_quotes,
    is_quoted,
    single_separators,
)
from td3core.interactions._sequences import open_sequences
from td3core.interactions._source import Format, Source, open_source
from td3core.interactions._spelling import check_spelling
from td3core.interactions._table import Table, first_texts
from td3core.interactions._values import Parsed, ValueParser

_TYPICAL_ROW_BYTES = 32
_STRING_HEADER_BYTES = 16  # which polars does not count
_MEANT_FOR = {
    "header": "CSV, TSV and .inter",
    "separator": "CSV, TSV and .inter",
    "quoting": "CSV, TSV and .inter",
    "layout": "text that is not JSON",
    "encoding": "text",
    "events": "JSON",
}
"""Fields of the spec that not every format has a use for, and what they are for."""


class TextFormat(Protocol):
    """A text format: blocks are parsed fast, and examined line by line only if they have problems."""

    def parse(self, block: Block) -> pl.DataFrame | None:
        """Return the columns by role, as text; None if the block must be examined line by line."""
        ...

    def examine(
        self, block: Block, *, problems: int, records: int | None
    ) -> tuple[pl.DataFrame, list[LogProblem]]:
        """Return the well-formed records with their line numbers, and the problems of the others.

        It stops after this many problems, or after as many well-formed `records`.
        """
        ...


def read_log(
    path: Path,
    data: DataConfig,
    *,
    name: str | None = None,
    head_bytes: int | None = None,
    max_problems: int = 20,
    limits: Limits | None = None,
) -> InteractionLog:
    """Read and validate an interaction log.

    Supported are CSV (separated by comma, semicolon, tab or bar), TSV, JSON and RecBole `.inter`, each plain or
    compressed by gzip, zstd, bzip2, xz or zip (an archive of this one file), Parquet and Arrow IPC. A
    timestamp is a number, or an ISO 8601 date or time, which is converted to microseconds since 1970 UTC (nanoseconds
    where some are finer). Ids are kept as text.

    Args:
        path: The file.
        data: Its format and columns, if they cannot be detected.
        name: The client's name for the file, whose suffix tells the format.
        head_bytes: Read only this much of the decompressed file; the file may be incomplete.
        max_problems: Maximum number of problems that an error lists; nothing after the last one is read.
        limits: Limits on the size of the log.

    Raises:
        LogTooSmallError: There are no interactions.
        LogTooLargeError: It needs more memory than the limits allow.
        UnreadableLogError: The file is damaged, exceeds the limits, or has another format; its timestamps cannot order
            it; its ids are numbers in two spellings.
        MissingColumnError: A column is missing or ambiguous.
        BadRowsError: Some rows are invalid.
    """
    limits = limits or Limits()
    source = open_source(path, data, name)
    encoding = None if source.format in ("parquet", "arrow") else source.encoding
    layout = FileLayout(source.format, source.compression, encoding)
    report = ProblemReport(max_problems)
    read = _read_table if source.format in ("parquet", "arrow") else _read_text
    frames: list[pl.DataFrame] = []
    size = 0
    for values in read(source, data, layout, report, head_bytes, limits):
        if report.full:
            break
        if report.total:  # the log will be rejected: only look for further problems
            frames.clear()
            continue
        frame = values.frame
        frames.append(frame)
        layout.add(values)
        size += int(frame.estimated_size()) + _STRING_HEADER_BYTES * 2 * frame.height
        if size > limits.log_bytes:
            raise LogTooLargeError(f"the log needs more than {limits.log_bytes:,} bytes of memory")
    report.raise_if_any()
    if frames:
        frame = pl.concat(in_one_unit(frames), how="vertical_relaxed", rechunk=True)
    else:
        rating = {} if data.min_rating is None else {"rating": pl.Float64}
        frame = pl.DataFrame(schema={"user": pl.String, "item": pl.String, **rating})
    if frame.is_empty() and head_bytes is None:
        raise LogTooSmallError("the log has no interactions")
    if data.rules > 1:
        check_spelling("user", frame["user"])
        check_spelling("item", frame["item"])
        if "timestamp" in frame.columns:
            check_times(frame["timestamp"])
    return InteractionLog(frame, layout)


def _read_text(
    source: Source,
    data: DataConfig,
    layout: FileLayout,
    report: ProblemReport,
    head_bytes: int | None,
    limits: Limits,
) -> Iterator[Parsed]:
    dialect = _dialect(source, data)
    quoted = dialect is not None and dialect.quoted
    chunks: Iterable[bytes] = source.chunks(may_be_cut=head_bytes is not None)
    if data.separator is not None and dialect is not None and dialect.written is not None:
        chunks = single_separators(chunks, data.separator.encode())
    if quoted and data.quoting == "backslash":
        chunks = doubled_quotes(chunks)
    if source.is_document:
        report.unit = "object"
        chunks = as_lines(chunks, array=source.head.lstrip()[:1] == b"[", may_be_cut=head_bytes is not None)
    blocks = cut_blocks(
        chunks,
        source.path.stat().st_size,
        limits,
        quoted=quoted,
        head_bytes=head_bytes,
        unit=report.unit,
    )
    first = next(blocks, None)
    if first is None or not first.data.strip():
        raise LogTooSmallError("the file has only blank lines")
    text, columns, first = _open_text(source.format, dialect, data, first, limits)
    _refuse_unused_format(data, columns)
    layout.columns = columns
    if dialect is not None:
        layout.delimited(dialect, data)
    parser = ValueParser(columns, data, header_may_repeat=dialect is not None)
    for block in chain([first], blocks):
        raw, records = text.parse(block), None
        if raw is not None:
            values = parser.parse(raw)
            if values.ok:
                yield values
                continue
            records = values.rows_with(report.room) if values.raw.height == raw.height else None
        raw, problems = text.examine(block, problems=report.room, records=records)
        values = parser.parse(raw)
        bad_values, total = parser.problems(values, report.limit)
        report.add(problems + bad_values, len(problems) + total)
        yield values


def _dialect(source: Source, data: DataConfig) -> Dialect | None:
    """How the fields of a delimited log are separated and quoted; None for JSON and sequences."""
    if source.format == "jsonl" or data.layout == "sequences":
        return None
    form = source.format
    if (
        form == "tsv"
        and data.format == "auto"
        and data.separator is None
        and b"\t" not in source.head.strip().partition(b"\n")[0]
    ):
        form = "csv"  # by its name alone it would have a single column
    separator, written, head = "\t", None, source.head
    if data.separator is not None and len(data.separator) > 1:
        separator, written = UNIT_SEPARATOR, data.separator
        head = head.replace(written.encode(), separator.encode())
    elif data.separator is not None:
        separator = data.separator
    elif form == "csv":
        separator = guess_separator(head)
    if form == "inter" or data.quoting == "none":
        quoted = False
    elif data.quoting == "auto" and (form == "tsv" or data.separator is not None):
        quoted = is_quoted(head, separator)
    else:
        quoted = True
    return Dialect(separator, quoted, lines_may_look_like_rows=data.quoting == "standard", written=written)


def _open_text(
    form: Format, dialect: Dialect | None, data: DataConfig, first: Block, limits: Limits
) -> tuple[TextFormat, Columns, Block]:
    if form == "jsonl":
        _refuse_settings(data, "JSON", ("header", "separator", "quoting", "layout"))
        return *open_json(first, data, most=limits.columns), first
    _refuse_settings(data, "delimited text", ("events",))
    if dialect is None:
        _refuse_settings(data, "lines of sequences, as data.layout says", ("header", "quoting"))
        return *open_sequences(first, data), first
    header, rest = (
        (list(data.header), first) if data.header else take_header(first, dialect, most=limits.columns)
    )
    records = first_records(rest, dialect)
    if data.rules > 1:
        check_header(header, records, data, separator=dialect.separator)

    def values(column: str) -> list[str]:
        place = header.index(column)
        return [record[place] for record in records if place < len(record)]

    columns = find_columns(header, data, values)
    positions: dict[Role, int] = {role: header.index(name) for role, name in columns.by_role().items()}
    return DelimitedFormat(dialect, header, positions), columns, rest


def _refuse_settings(data: DataConfig, form: str, settings: tuple[str, ...]) -> None:
    """Refuse a spec that describes another format than the log has."""
    for name in settings:
        if data.rules == 1 and name == "quoting":  # which specs from before this field have for every format
            continue
        if getattr(data, name) != DataConfig.model_fields[name].default:
            raise UnreadableLogError(
                f"data.{name} is for {_MEANT_FOR[name]}, but the log is {form}; leave it out",
                [LogProblem(f"{form} has no use for it", field=f"data.{name}")],
            )


def _refuse_unused_format(data: DataConfig, columns: Columns) -> None:
    if data.time_format is not None and columns.timestamp is None:
        raise UnreadableLogError(
            "data.time_format says how timestamps are written, but no column is used as the timestamp; leave it out, "
            "or name the column in data.columns.timestamp",
            [LogProblem("no timestamp is read", field="data.time_format", value=data.time_format)],
        )


def _read_table(
    source: Source,
    data: DataConfig,
    layout: FileLayout,
    report: ProblemReport,
    head_bytes: int | None,
    limits: Limits,
) -> Iterator[Parsed]:
    table = _open_table(source, head_bytes, limits)
    if table is None:
        return
    _refuse_settings(data, table.form, tuple(_MEANT_FOR))
    report.unit = "row"
    check_width(len(table.schema), limits.columns)
    columns = find_columns(list(table.schema), data, lambda column: first_texts(table, column))
    _refuse_unused_format(data, columns)
    table.check_sizes(columns, limits, whole=head_bytes is None)
    layout.columns = columns
    parser = ValueParser(columns, data, header_may_repeat=False)
    rows = None if head_bytes is None else head_bytes // _TYPICAL_ROW_BYTES
    if rows is None and (least := 2 * _STRING_HEADER_BYTES * table.count_rows()) > limits.log_bytes:
        raise LogTooLargeError(
            f"the log needs at least {least:,} bytes of memory, more than {limits.log_bytes:,}"
        )
    for batch in table.batches(columns, rows, rules=data.rules):
        values = parser.parse(batch)
        if not values.ok:
            report.add(*parser.problems(values, report.limit))
        yield values


def _open_table(source: Source, head_bytes: int | None, limits: Limits) -> Table | None:
    """Return the table; None if it is cut so that nothing can be read."""
    may_be_cut = head_bytes is not None
    if source.format == "arrow":
        return open_arrow(source.path, limits, may_be_cut=may_be_cut)
    if may_be_cut and not is_whole(source.path):
        return None
    return open_parquet(source.path)
