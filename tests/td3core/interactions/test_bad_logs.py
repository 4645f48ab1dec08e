"""Logs that are refused, and what the refusal says."""

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import zstandard

from td3core.config import ColumnsConfig, DataConfig
from td3core.errors import (
    BadRowsError,
    InvalidLogError,
    LogProblem,
    LogTooLargeError,
    LogTooSmallError,
    MissingColumnError,
    UnreadableLogError,
)
from td3core.interactions import Limits, read_log


def refusal(
    path: Path, content: bytes, data: DataConfig | None = None, *, limits: Limits | None = None
) -> InvalidLogError:
    path.write_bytes(content)
    with pytest.raises(InvalidLogError) as caught:
        read_log(path, data or DataConfig(), limits=limits)
    return caught.value


def test_every_kind_of_bad_value_is_listed_by_line_column_value_and_reason(tmp_path: Path) -> None:
    lines = [
        "user_id,item_id,timestamp,rating",
        "a,b,1,5",
        ",b,1,5",
        '"a","",1,5',
        "a,NULL,1,5",
        "a,b,,5",
        "a,b,2020-01-01,5",
        "a,b,nan,5",
        "a,b,1,good",
        f"{'x' * 1025},b,1,5",
    ]
    error = refusal(tmp_path / "log.csv", "\n".join(lines).encode(), DataConfig(min_rating=1.0))
    assert type(error) is BadRowsError
    number = "not a finite number"
    null = "a marker of a missing value is not an id; remove the row, or set data.null_ids to drop or keep"
    assert error.problems == (
        LogProblem("empty value", 3, "user_id", ""),
        LogProblem("empty value", 4, "item_id", ""),
        LogProblem(null, 5, "item_id", "NULL"),
        LogProblem("empty value", 6, "timestamp", ""),
        LogProblem(number, 7, "timestamp", "2020-01-01"),
        LogProblem(number, 8, "timestamp", "nan"),
        LogProblem(number, 9, "rating", "good"),
        LogProblem("longer than 1024 bytes, the maximum of an id", 10, "user_id", "x" * 99 + "…"),
    )
    assert str(error) == "8 problems in the log, the first in line 3, column user_id: empty value"


def test_dates_that_are_none(tmp_path: Path) -> None:
    content = b"user,item,date\na,b,2020-01-01\na,b,2020-02-30\na,b,yesterday\na,b,7\n"
    error = refusal(tmp_path / "log.csv", content)
    assert [(problem.line, problem.value) for problem in error.problems] == [
        (3, "2020-02-30"),
        (4, "yesterday"),
        (5, "7"),
    ]


def test_ragged_lines(tmp_path: Path) -> None:
    content = b"user,item,note\na,b,\na,b\na,b,c,d\n  \na,b,c\n"
    error = refusal(tmp_path / "log.csv", content)
    assert [(problem.line, problem.reason) for problem in error.problems] == [
        (3, "expected 3 fields as in the header, got 2"),
        (4, "expected 3 fields as in the header, got 4"),
        (5, "expected 3 fields as in the header, got 1"),
    ]


def test_a_short_line_beside_quotes(tmp_path: Path) -> None:
    error = refusal(tmp_path / "log.csv", b'user,item,note\n"a,x",b,\na,b\n')
    assert [problem.line for problem in error.problems] == [3]


def test_an_empty_last_field_is_none_of_the_ragged(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b'user,item,note\n"a,x",b,\na,b,\n')
    assert len(read_log(path, DataConfig())) == 2


def test_line_numbers_count_line_breaks_in_quotes_and_blank_lines(tmp_path: Path) -> None:
    content = b'\nuser,"item\nid",ts\n\n"a\nb",c,1\n\r\na,b,x\n'
    error = refusal(tmp_path / "log.csv", content)
    assert [(problem.line, problem.value) for problem in error.problems] == [(8, "x")]


def test_a_quote_that_is_never_closed(tmp_path: Path) -> None:
    error = refusal(tmp_path / "log.csv", b'user,item\na,b\n"a,b\na,b\n')
    assert [problem.line for problem in error.problems] == [3]


@pytest.mark.parametrize("name", ["log.csv", "log.inter", "log.jsonl"])
def test_text_that_is_not_utf8(tmp_path: Path, name: str) -> None:
    content = {
        "log.csv": b"user,item\na,b\na,caf\xe9\n",
        "log.inter": b"user:token\titem:token\na\tb\na\tcaf\xe9\n",
        "log.jsonl": b'\n{"user":"a","item":"b"}\n{"user":"a","item":"caf\xe9"}\n',
    }[name]
    (problem,) = refusal(tmp_path / name, content).problems
    assert (problem.line, problem.field) == (3, "data.encoding")
    assert problem.reason.endswith("or set data.encoding to what it is, such as latin-1 or cp1252")
    assert problem.value is not None
    assert r"caf\xe9" in problem.value


def test_bad_lines_of_json(tmp_path: Path) -> None:
    lines = [
        '{"user": "a", "item": 1, "ts": 5}',
        '{"user": "a"',
        "",
        "[1, 2]",
        '{"user": null, "item": 1, "ts": 5}',
        '{"item": 1, "ts": 5}',
        '{"user": true, "item": [1], "ts": 5}',
        '{"user": "a", "item": 1, "ts": NaN}',
        '{"user": "[a", "item": 1, "ts": 5}',
        "[" * 100_000,
        r'{"user": "a\ud800", "item": 1, "ts": 5}',
    ]
    error = refusal(tmp_path / "log.jsonl", "\n".join(lines).encode())
    assert [(problem.line, problem.column, problem.value) for problem in error.problems] == [
        (2, None, '{"user": "a"'),
        (4, None, "[1, 2]"),
        (5, "user", None),
        (6, "user", None),
        (7, "user", "true"),
        (7, "item", "[1]"),
        (8, "ts", "NaN"),
        (10, None, "[" * 99 + "…"),
        (11, "user", r'"a\ud800"'),
    ]


def test_bad_rows_of_parquet_are_numbered_from_one(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pl.DataFrame(
        {"user": ["a", None, ""], "item": [1, 2, None], "ts": [1.0, float("nan"), 2.0]}
    ).write_parquet(path)
    with pytest.raises(BadRowsError) as caught:
        read_log(path, DataConfig())
    assert [(problem.line, problem.column) for problem in caught.value.problems] == [
        (2, "user"),
        (2, "ts"),
        (3, "user"),
        (3, "item"),
    ]


def test_the_first_problems_are_listed_over_many_blocks(tmp_path: Path) -> None:
    generator = random.Random(5)
    good = [generator.random() < 0.8 for _ in range(500)]
    content = "user,item,ts\n" + "".join(f"u,i,{'1' if fine else 'x'}\n" for fine in good)
    bad_lines = [line for line, fine in enumerate(good, start=2) if not fine]
    path = tmp_path / "log.csv"
    path.write_text(content)
    with pytest.raises(BadRowsError) as caught:
        read_log(path, DataConfig(), limits=Limits(block_bytes=200), max_problems=30)
    assert [problem.line for problem in caught.value.problems] == bad_lines[:30]
    assert 30 <= caught.value.total < len(bad_lines)
    assert str(caught.value).startswith("at least ")
    with pytest.raises(BadRowsError) as caught:
        read_log(path, DataConfig(), limits=Limits(block_bytes=200), max_problems=500)
    assert caught.value.total == len(caught.value.problems) == len(bad_lines)


def test_an_empty_rating_is_bad_where_it_is_compared(tmp_path: Path) -> None:
    error = refusal(tmp_path / "log.csv", b"user,item,rating\na,b,\n", DataConfig(min_rating=3.0))
    assert [(problem.line, problem.column) for problem in error.problems] == [(2, "rating")]


@pytest.mark.parametrize(
    ("header", "columns", "said", "where"),
    [
        (
            "who,item",
            {},
            "no column is recognised as the user; set data.columns.user (columns of the log: who, item)",
            ["data.columns.user"],
        ),
        (
            "user,what",
            {},
            "no column is recognised as the item; set data.columns.item",
            ["data.columns.item"],
        ),
        (
            "uid,USER_ID,item",
            {},
            "several columns may contain the user: uid, USER_ID; set data.columns.user",
            ["data.columns.user"],
        ),
        (
            "user,item,ts,date",
            {},
            "several columns may contain the timestamp: ts, date",
            ["data.columns.timestamp"],
        ),
        (
            "user,item",
            {"timestamp": "when"},
            "no column 'when', but data.columns.timestamp names it",
            ["data.columns.timestamp"],
        ),
        (
            "user,item",
            {"user": "item", "item": "item"},
            "data.columns names the same column for two roles: user = item, item = item",
            ["data.columns.user", "data.columns.item"],
        ),
        ("user,user,item", {"user": "user"}, "more than one column named 'user'", ["user"]),
    ],
)
def test_columns_that_cannot_be_found(
    tmp_path: Path, header: str, columns: dict[str, str], said: str, where: list[str]
) -> None:
    error = refusal(
        tmp_path / "log.csv", f"{header}\na,b\n".encode(), DataConfig(columns=ColumnsConfig(**columns))
    )
    assert type(error) is MissingColumnError
    assert said in str(error)
    assert [problem.field or problem.column for problem in error.problems] == where


def test_a_rating_is_needed_only_where_it_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"user,item,score,stars\na,b,1,2\n")
    assert read_log(path, DataConfig()).frame.columns == ["user", "item"]
    with pytest.raises(MissingColumnError, match=r"several columns may contain the rating: score, stars"):
        read_log(path, DataConfig(min_rating=3.0))


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", gzip.compress(b"", mtime=0), b"user,item\n", b"user,item", b"\xef\xbb\xbf"]
)
def test_logs_without_interactions(tmp_path: Path, content: bytes) -> None:
    assert type(refusal(tmp_path / "log.csv", content)) is LogTooSmallError


_CSV = b"user,item\n" + b"".join(b"u%d,i%d\n" % (n, n * n) for n in range(10_000))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "log.csv",
            random.Random(0).randbytes(5000),
            "binary (it contains NUL bytes) and of no known format",
        ),
        ("log.csv", b"caf\xe9,item\na,b\n", "the first line, with the column names, is not valid UTF-8"),
        ("log.csv", "user,item\na,b\n".encode("utf-16"), "UTF-16"),
        ("log.csv", b"PK\x03\x04rest", "zip archive is damaged or truncated"),
        ("log.csv.gz", gzip.compress(_CSV, mtime=0)[:-20], "gzip data are truncated"),
        ("log.csv.gz", gzip.compress(_CSV, mtime=0) + b"junk", "gzip data are damaged"),
        ("log.csv.zst", zstandard.compress(_CSV)[:-20], "zstd data are truncated"),
        ("log.csv.zst", zstandard.compress(_CSV) + b"junkjunk", "zstd data are damaged"),
        ("log.json", json.dumps([[1, 2]]).encode(), "elements of an array, are arrays"),
        ("log.jsonl", b"user,item\na,b\n", "no line is a JSON object"),
        ("log.parquet", b"user,item\na,b\n", "the file is not Parquet"),
        ("log.parquet", b"PAR1" + bytes(100), "the Parquet file is damaged"),
        ("log.parquet", b"PAR1", "the Parquet file is damaged"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    error = refusal(tmp_path / name, content)
    assert type(error) is UnreadableLogError
    assert said in str(error)


def test_parquet_under_an_explicit_text_format(tmp_path: Path) -> None:
    error = refusal(tmp_path / "log", b"PAR1" + bytes(100), DataConfig(format="csv"))
    assert "data.format is csv, but the file is Parquet" in str(error)


def test_parquet_with_damaged_pages(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pl.DataFrame({"user": range(1000), "item": range(1000)}).write_parquet(path)
    content = path.read_bytes()
    error = refusal(path, content[:10] + bytes(200) + content[210:])
    assert type(error) is UnreadableLogError
    assert "the Parquet file is damaged" in str(error)


def test_parquet_columns_of_useless_type(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pl.DataFrame({"user": [[1]], "item": [1]}).write_parquet(path)
    with pytest.raises(UnreadableLogError, match=r"the user column 'user' has type List"):
        read_log(path, DataConfig())


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"user,item\n" + b"a,b\n" * 500_000, "more than 1,000,000 bytes of text"),
        (b"user,item\n" + bytes(500_000).replace(b"\0", b"x"), "line 2 is longer than 10,000 bytes"),
        (b"user,item\n" + b"a,b\n" * 20_000, "more than 500,000 bytes of memory"),
    ],
)
def test_a_bomb_runs_into_the_limits(
    tmp_path: Path, compress: Callable[[bytes], bytes], content: bytes, said: str
) -> None:
    limits = Limits(text_bytes=1_000_000, log_bytes=500_000, block_bytes=10_000)
    if "text" in said:
        limits = Limits(modest_bytes=1_000_000)
    error = refusal(tmp_path / "log.csv", compress(content), limits=limits)
    assert type(error) is (LogTooLargeError if "memory" in said else UnreadableLogError)
    assert said in str(error)


def test_text_that_is_not_compressed_may_be_larger_than_modest(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"user,item\n" + b"a,b\n" * 1000)
    assert len(read_log(path, DataConfig(), limits=Limits(modest_bytes=10))) == 1000


def test_many_quotes_after_a_stray_one_cost_no_time(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b'user,item\na,5"\n' + b'"a",b\n' * 300_000)
    assert len(read_log(path, DataConfig(), limits=Limits(block_bytes=1 << 20))) == 300_001
