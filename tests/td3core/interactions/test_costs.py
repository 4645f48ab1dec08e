"""Logs that would cost much to read or to refuse, and are refused for little."""

import gzip
import json
import random
import struct
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from td3core.config import ColumnsConfig, DataConfig
from td3core.errors import BadRowsError, InvalidLogError, LogTooLargeError, UnreadableLogError
from td3core.interactions import Limits, read_log

NAMED = DataConfig(columns=ColumnsConfig(user="c1", item="c2"))


@contextmanager
def few_objects(megabytes: int) -> Iterator[None]:
    """Fail if Python's objects take more than this in between."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < megabytes << 20


def test_a_header_of_millions_of_columns_becomes_no_objects(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"user,item" + b"," * 5_000_000 + b"\n1,2\n")
    with few_objects(megabytes=50), pytest.raises(UnreadableLogError, match=r"has 5,000,002 columns"):
        read_log(path, DataConfig())


def test_rows_after_the_listed_problems_become_no_objects(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"user,item\n" + b"u\n" * 2_000_000)
    with few_objects(megabytes=60), pytest.raises(BadRowsError, match="at least 20 problems"):
        read_log(path, DataConfig())


@pytest.mark.parametrize("columns", [3, 4])
@pytest.mark.parametrize("kind", ["csv", "quoted.csv", "mac.csv", "tsv", "inter", "jsonl", "parquet"])
def test_as_many_columns_as_allowed_are_read_and_no_more(tmp_path: Path, kind: str, columns: int) -> None:
    path, names = tmp_path / f"log.{kind}", [f"c{n}" for n in range(columns)]
    values = {"c1": "a", "c2": "b"}
    rows = [names, [values.get(name, "x") for name in names]]
    match kind.rpartition(".")[2], kind:
        case "parquet", _:
            pl.DataFrame({name: [values.get(name, "x")] for name in names}).write_parquet(path)
        case "jsonl", _:
            path.write_text("".join(json.dumps({name: "x", **values}) + "\n" for name in names))
        case "tsv" | "inter", _:
            path.write_text("".join("\t".join(row) + "\n" for row in rows))
        case _, "quoted.csv":
            path.write_text("".join(",".join(f'"{value}"' for value in row) + "\n" for row in rows))
        case _:
            end = "\r" if kind == "mac.csv" else "\n"
            path.write_text("".join(",".join(row) + end for row in rows), newline="")
    if columns == 3:
        assert len(read_log(path, NAMED, limits=Limits(columns=3))) == (3 if kind == "jsonl" else 1)
    else:
        with pytest.raises(UnreadableLogError, match="the log has 4 columns; expected at most 3"):
            read_log(path, NAMED, limits=Limits(columns=3))


def test_a_long_header_with_quotes_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"user,item" + b',""' * 1_000_000 + b"\n1,2\n")
    with (
        few_objects(megabytes=50),
        pytest.raises(UnreadableLogError, match=r"the first line has 3,000,009 bytes"),
    ):
        read_log(path, DataConfig())


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("log.csv", b"x\n"),
        ("log.csv", b",\n"),
        ("log.csv", b'a,"b"c\n'),
        ("log.csv", b"a,\xff\n"),
        ("log.jsonl", b"x\n"),
        ("log.jsonl", b'{"user":1,"item":[]}\n'),
        ("log.jsonl", b'{"user":1,"item":""}\n'),
    ],
)
def test_nothing_is_read_after_the_problems_that_are_listed(tmp_path: Path, name: str, row: bytes) -> None:
    """A file that ends in damaged data is refused for its rows: its end was never reached."""
    start = b"user,item\n" if name.endswith("csv") else b'{"user":1,"item":2}\n'
    filler = "".join(f"u{random.random()},i{n}\n" for n in range(100_000)).encode()
    path = tmp_path / f"{name}.gz"
    path.write_bytes(gzip.compress(start + row * 100_000 + filler, mtime=0)[:-20])
    with pytest.raises(BadRowsError) as caught:
        read_log(path, DataConfig(), limits=Limits(block_bytes=1 << 20))
    assert caught.value.problems[0].line == 2
    assert len(caught.value.problems) == 20 <= caught.value.total < 100
    assert str(caught.value).startswith("at least ")


def test_a_number_of_more_digits_than_python_converts(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    digits = sys.get_int_max_str_digits() + 1
    path.write_text('{"user":1,"item":2}\n{"user":1,"item":%s}\n{"user":1,"item":[]}\n' % ("9" * digits))
    with pytest.raises(BadRowsError) as caught:
        read_log(path, DataConfig())
    assert [problem.line for problem in caught.value.problems] == [2, 3]
    assert caught.value.problems[0].reason == "a number has more than 4,300 digits"


def test_parquet_of_more_rows_than_memory_is_refused_by_its_footer(tmp_path: Path) -> None:
    """Its pages are damaged, which only who reads them would see."""
    path = tmp_path / "log.parquet"
    pl.DataFrame({"user": [1] * 100_000, "item": [2] * 100_000}).write_parquet(path)
    data = bytearray(path.read_bytes())
    data[4:24] = bytes(20)
    path.write_bytes(data)
    with pytest.raises(LogTooLargeError, match="at least 3,200,000 bytes of memory, more than 3,000,000"):
        read_log(path, DataConfig(), limits=Limits(log_bytes=3_000_000))
    with pytest.raises(UnreadableLogError, match="damaged"):
        read_log(path, DataConfig())


@pytest.mark.parametrize(
    ("size", "length", "said"),
    [
        (100, 93, "its footer is longer than the file"),
        (1 << 27, 1 << 26 | 1, r"the footer of the Parquet file has 67,108,865 bytes"),
    ],
)
def test_a_footer_that_cannot_be(tmp_path: Path, size: int, length: int, said: str) -> None:
    path = tmp_path / "log.parquet"
    with path.open("wb") as file:
        file.write(b"PAR1")
        file.truncate(size - 8)
        file.seek(0, 2)
        file.write(struct.pack("<I4s", length, b"PAR1"))
    with pytest.raises(InvalidLogError, match=said):
        read_log(path, DataConfig())
