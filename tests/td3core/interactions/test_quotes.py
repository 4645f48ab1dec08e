"""Quotes in delimited logs: what is read, what is refused, and that both parsers say the same."""

import csv
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from td3core.config import DataConfig
from td3core.config.data import Quoting
from td3core.errors import BadRowsError, InvalidLogError
from td3core.interactions import Limits, read_log
from td3core.interactions._blocks import Block
from td3core.interactions._delimited import DelimitedFormat
from td3core.interactions._quoting import Dialect, doubled_quotes

HEADER = "user,title,item\n"


def read(
    path: Path, text: str, quoting: Quoting = "auto", *, limits: Limits | None = None
) -> list[tuple[object, ...]]:
    path.write_bytes(text.encode())
    return read_log(path, DataConfig(quoting=quoting), limits=limits).frame.rows()


_cell = st.text(st.sampled_from('ab",; \n'), max_size=5)
_wild = st.lists(st.lists(_cell, min_size=2, max_size=4).map(",".join), max_size=8).map("\n".join)
_written = st.lists(st.tuples(_cell, _cell, _cell), max_size=8).map(
    lambda rows: pl.DataFrame(rows, schema=["a", "b", "c"], orient="row").write_csv(include_header=False)
)


@settings(max_examples=400, deadline=None)
@given(text=st.one_of(_wild, _written))
@example(text='u1,24",i1\nu2,24",i2\n')
@example(text='u1,"x\nu2,y"",z"\nu3,"a",b')
@example(text='u,6" and 7",i\nv,6" and 7",j')
@example(text='"a""b",,""""\n"",c,d')
@example(text=",,\n,\n,,,")
def test_the_fast_parser_reads_what_the_reader_of_python_reads_or_nothing(text: str) -> None:
    """The reference is Python's `csv.reader` in its strict mode."""
    form = DelimitedFormat(
        Dialect(",", quoted=True, lines_may_look_like_rows=True),
        ["user", "title", "item"],
        {"user": 0, "item": 2},
    )
    fast = form.parse(Block(text.encode(), 1))
    if fast is not None:
        records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        # A line of empty fields may have too many, and hide one that has too few: it is refused for its ids.
        hidden = any(len(record) > 3 and not any(record) for record in records)
        padded = [[*record, *[""] * (3 - len(record))] if hidden else record for record in records if record]
        assert fast.fill_null("").rows() == [(record[0], record[2]) for record in padded]


@settings(max_examples=200, deadline=None)
@given(text=st.one_of(_wild, _written), block=st.sampled_from([40, 1 << 20]))
def test_a_log_is_read_as_the_reader_of_python_reads_it_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str, block: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "log.csv"
    try:
        rows = read(path, HEADER + text, "standard", limits=Limits(block_bytes=block))
    except InvalidLogError:
        return
    records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert rows == [(record[0].strip(), record[2].strip()) for record in records if record]


def test_quotes_that_are_letters_leave_every_row(tmp_path: Path) -> None:
    """Each line has one quote too many; polars pairs them, and takes two such lines for one if they are long enough."""
    rows = [(f"u{n % 6}", f"i{n}", 1_500_000_000 + n) for n in range(42)]
    lines = "".join(f'{user},{item},"Monitor 24""",24",{time}\n' for user, item, time in rows)
    assert read(tmp_path / "log.csv", "user,item,title,size,timestamp\n" + lines) == rows


def test_the_fast_parser_takes_blocks_with_irregular_quotes_and_titles_over_lines() -> None:
    form = DelimitedFormat(Dialect(",", quoted=True), ["user", "title", "item"], {"user": 0, "item": 2})
    frame = form.parse(Block(b'a,5" pipe,b\n"c","two\nlines, ""x""",d\ne,,"f, ""g"""\n', 2))
    assert frame is not None
    assert frame.rows() == [("a", "b"), ("c", "d"), ("e", 'f, "g"')]


@pytest.mark.parametrize(
    "lines",
    [
        'a,x,i\nb,"open,j\nc,y,k\nd,z,"l"\ne,x,i\n',
        'a,x,i\nb,y,"j\nc,y,k"\nd,z,l\n',
        'a,x,i\nb,"say \\"hi\\" now",j\nc,y,k\n',
        'a,x,i\nb,"open,j\nc,y,k\n',
        'a,x,i\nb,"o,\nc,y,k\n,",j\n',
    ],
    ids=["until the next quote", "two by two", "backslash", "to the end", "rows within a title"],
)
def test_a_quote_that_takes_in_rows_is_refused_where_it_begins(tmp_path: Path, lines: str) -> None:
    with pytest.raises(BadRowsError) as caught:
        read(tmp_path / "log.csv", HEADER + lines)
    first = caught.value.problems[0]
    assert (first.line, first.field) == (3, "data.quoting")


def test_a_title_over_lines_with_commas_is_read(tmp_path: Path) -> None:
    text = HEADER + 'a,"Good, but\nI liked it, really, so\nred, or blue, or",b\n"c\nd",x,e\n'
    assert read(tmp_path / "log.csv", text) == [("a", "b"), ("c\nd", "e")]


def test_quoting_says_what_a_quote_is(tmp_path: Path) -> None:
    rows = 'a,"x\nb,y,i\n",j\n'
    assert read(tmp_path / "log.csv", HEADER + rows, "standard") == [("a", "j")]
    with pytest.raises(BadRowsError, match="which look like rows"):
        read(tmp_path / "log.csv", HEADER + rows)
    assert read(tmp_path / "log.csv", HEADER + 'a,"x,b\nc,y",d\n', "none") == [("a", "b"), ("c", "d")]
    escaped = HEADER + 'a,"say \\"hi, you\\" \\\\",i\nb,y,"j\\"k"\n'
    assert read(tmp_path / "log.csv", escaped, "backslash") == [("a", "i"), ("b", 'j"k')]


@pytest.mark.parametrize("size", range(1, 8))
def test_backslashes_may_be_cut_from_what_they_escape(size: int) -> None:
    text = rb'a\"b\\"c\\\"d\x\\'
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    assert b"".join(doubled_quotes(chunks)) == rb'a""b\"c\""d\x' + b"\\"


@pytest.mark.parametrize(
    ("lines", "items"),
    [
        ('a\tx\t1\nb\t"Untitled\t2\nc\ty\t3\nd\t"z\t4\n', ["1", "2", "3", "4"]),
        ('a\t"Heroes"\t1\nb\tx\t2\nc\tLow "x"\t3\n', ["1", "2", "3"]),
        ('"a"\t"x"\t"1"\n"b"\t"y"\t"2"\n', ["1", "2"]),
        ('a\t"x\ty"\t"1"\nb\ty\t2\n', ["1", "2"]),
        ('a\tx\t"1""2"\nb\ty\t2\n', ['1"2', "2"]),
    ],
    ids=["stray", "letters in pairs", "every field", "a separator", "doubled"],
)
def test_tab_separated_logs_are_quoted_only_if_their_quotes_show_it(
    tmp_path: Path, lines: str, items: list[str]
) -> None:
    rows = read(tmp_path / "log.tsv", "user\ttitle\titem\n" + lines)
    assert [item for _, item in rows] == items


def test_a_lone_carriage_return_ends_a_line_for_both_parsers(tmp_path: Path) -> None:
    assert read(tmp_path / "log.csv", "user,item\na,b\rc,d\ne,f\n") == [("a", "b"), ("c", "d"), ("e", "f")]
    with pytest.raises(BadRowsError):
        read(tmp_path / "log.csv", "user,item\na,b\rc\n")
