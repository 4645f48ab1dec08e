"""Good logs, in every format."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from td3core.config import ColumnsConfig, DataConfig
from td3core.interactions import InteractionLog, Limits, read_log

Row = tuple[str, str, int]
ROWS: list[Row] = [("007", "a b", 30), ("7", "ü", 10), ("007", "a b", 30), ("na", "1e3", 20)]


def _delimited(separator: str) -> Callable[[list[Row]], bytes]:
    def write(rows: list[Row]) -> bytes:
        frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
        return frame.write_csv(separator=separator).encode()

    return write


def _inter(rows: list[Row]) -> bytes:
    lines = ["user_id:token\titem_id:token\ttimestamp:float", *(f"{u}\t{i}\t{t}" for u, i, t in rows)]
    return "\n".join(lines).encode()


def _jsonl(rows: list[Row]) -> bytes:
    return "".join(
        json.dumps({"ts": t, "userId": u, "x": [1], "itemId": i}) + "\n" for u, i, t in rows
    ).encode()


WRITERS: dict[str, Callable[[list[Row]], bytes]] = {
    "log.csv": _delimited(","),
    "log.tsv": _delimited("\t"),
    "log.inter": _inter,
    "log.jsonl": _jsonl,
}
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": gzip.compress,
    ".zst": zstandard.compress,
}


def read(path: Path, content: bytes, data: DataConfig | None = None, **options: object) -> InteractionLog:
    path.write_bytes(content)
    return read_log(path, data or DataConfig(), **options)  # pyright: ignore[reportArgumentType]


def rows_of(log: InteractionLog) -> list[Row]:
    return log.frame.select("user", "item", "timestamp").rows()  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize("suffix", COMPRESSORS)
@pytest.mark.parametrize("name", WRITERS)
def test_every_text_format_gives_the_ids_as_written_in_file_order(
    tmp_path: Path, name: str, suffix: str
) -> None:
    log = read(tmp_path / (name + suffix), COMPRESSORS[suffix](WRITERS[name](ROWS)))
    assert rows_of(log) == ROWS
    assert log.frame.schema == {"user": pl.String, "item": pl.String, "timestamp": pl.Int64}


@pytest.mark.parametrize("suffix", COMPRESSORS)
@pytest.mark.parametrize("name", WRITERS)
def test_without_a_telling_name_the_first_bytes_tell(tmp_path: Path, name: str, suffix: str) -> None:
    assert rows_of(read(tmp_path / "upload", COMPRESSORS[suffix](WRITERS[name](ROWS)))) == ROWS


def test_the_clients_name_counts_not_the_paths(tmp_path: Path) -> None:
    content = b'user\titem\n"a\tb\n'
    log = read(tmp_path / "upload.csv", content, name="Ratings.INTER")
    assert log.frame.rows() == [('"a', "b")]


def test_parquet(tmp_path: Path) -> None:
    pl.DataFrame(ROWS, schema=["user", "item", "time"], orient="row").write_parquet(tmp_path / "upload")
    assert rows_of(read_log(tmp_path / "upload", DataConfig())) == ROWS


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt64, pl.Categorical])
def test_parquet_ids_become_their_decimal_text(tmp_path: Path, dtype: type[pl.DataType]) -> None:
    users = pl.Series("user", ["5", "6"]).cast(dtype)
    pl.DataFrame([users, pl.Series("item", [1, 2])]).write_parquet(tmp_path / "log.parquet")
    log = read_log(tmp_path / "log.parquet", DataConfig())
    assert log.frame.rows() == [("5", "1"), ("6", "2")]


def test_parquet_dates_are_microseconds_since_1970_in_utc(tmp_path: Path) -> None:
    moments = pl.Series("date", ["2020-01-01T01:00:00+01:00"]).str.to_datetime(time_zone="Europe/Berlin")
    frame = pl.DataFrame([pl.Series("user", ["a"]), pl.Series("item", ["b"]), moments])
    frame.write_parquet(tmp_path / "log.parquet")
    assert read_log(tmp_path / "log.parquet", DataConfig()).frame["timestamp"].to_list() == [
        1_577_836_800_000_000
    ]


def test_parquet_ratings_and_fractions_of_seconds(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user": ["a"], "item": ["b"], "rating": [4], "ts": ["2.5"]})
    frame.write_parquet(tmp_path / "log.parquet")
    log = read_log(tmp_path / "log.parquet", DataConfig(min_rating=3.0))
    assert log.frame.rows() == [("a", "b", 2.5, 4.0)]


def test_json_integers_become_their_decimal_text(tmp_path: Path) -> None:
    content = b'{"user": 12345678901234567890123, "item": 7}\n\n{"user": "007", "item": "7"}\r\n'
    assert read(tmp_path / "log.json", content).frame.rows() == [
        ("12345678901234567890123", "7"),
        ("007", "7"),
    ]


@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
def test_csv_finds_its_separator(tmp_path: Path, separator: str) -> None:
    content = "user,item\na,b\n".replace(",", separator).encode()
    assert read(tmp_path / "log.csv", content).frame.rows() == [("a", "b")]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfuser,item\na,b\n",
        b"user,item\r\na,b\r\n",
        b"user,item\na,b\n\n\r\n\n",
        b"\nuser,item\n\na,b",
        b'"user","item"\n"a",b\n',
    ],
    ids=["bom", "crlf", "trailing blank lines", "blank lines between", "quotes"],
)
def test_harmless_variations_of_csv(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path / "log.csv", content).frame.rows() == [("a", "b")]


def test_quotes_guard_separators_and_line_breaks(tmp_path: Path) -> None:
    content = b'user,title,item\n"a ""x"", y","one\ntwo",b\n'
    assert read(tmp_path / "log.csv", content).frame.rows() == [('a "x", y', "b")]


def test_a_quote_inside_an_unquoted_field_is_a_quote(tmp_path: Path) -> None:
    assert read(tmp_path / "log.csv", b'user,item\na,5" pipe\nb,c\n').frame.rows() == [
        ("a", '5" pipe'),
        ("b", "c"),
    ]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1", " -2 "], [1, -2]),
        (["1", "2.5"], [1.0, 2.5]),
        (["1e3"], [1000.0]),
        (["1970-01-02", "1970-01-01T00:00:01Z"], [86_400_000_000, 1_000_000]),
        (["1970-01-01 00:00:01.000001", "1970-01-01T01:00+01:00"], [1_000_001, 0]),
        (["1970-01-01T00:00:00-0130", "1970-01-01 00:00:02 UTC"], [5_400_000_000, 2_000_000]),
    ],
)
def test_timestamps(tmp_path: Path, texts: list[str], expected: list[int | float]) -> None:
    lines = "".join(f"a,b,{text}\n" for text in texts)
    timestamps = read(tmp_path / "log.csv", f"user,item,ts\n{lines}".encode()).frame["timestamp"].to_list()
    assert timestamps == expected
    assert {type(value) for value in timestamps} == {type(value) for value in expected}


def test_integers_widen_when_a_later_block_has_a_fraction(tmp_path: Path) -> None:
    content = b"user,item,ts\n" + b"a,b,1\n" * 10 + b"a,b,1.5\n"
    log = read(tmp_path / "log.csv", content, limits=Limits(block_bytes=20))
    assert log.frame["timestamp"].to_list() == [1.0] * 10 + [1.5]


@pytest.mark.parametrize("rating", ["", "Like", "NULL", '"4,5"', "4.1/5", "5"])
def test_ratings_may_be_anything_where_nothing_is_compared_with_them(tmp_path: Path, rating: str) -> None:
    content = f"user,item,rating,ts\na,b,{rating},1\na,c,4,2\n".encode()
    assert rows_of(read(tmp_path / "log.csv", content)) == [("a", "b", 1), ("a", "c", 2)]


def test_columns_of_the_spec_come_before_guesses(tmp_path: Path) -> None:
    data = DataConfig(columns=ColumnsConfig(user="who", timestamp="when"))
    log = read(tmp_path / "log.csv", b"user,who,item,ts,when\na,b,c,1,2\n", data)
    assert log.frame.rows() == [("b", "c", 2)]


def test_of_a_head_the_unfinished_line_is_left_out(tmp_path: Path) -> None:
    content = b"user,item\n" + b"aa,bb\n" * 100 + b"not a row\n"
    log = read(tmp_path / "log.csv", content, head_bytes=10 + 6 * 3 + 2)
    assert log.frame.rows() == [("aa", "bb")] * 3


def test_a_head_of_compressed_text_may_be_cut(tmp_path: Path) -> None:
    lines = b"".join(b"u%d,i%d\n" % (n, n * n) for n in range(400_000))
    whole = gzip.compress(b"user,item\n" + lines)
    log = read(tmp_path / "log.csv.gz", whole[: len(whole) * 3 // 4], head_bytes=100_000_000)
    assert len(log) > 100_000
    assert log.frame.row(-1) == (f"u{len(log) - 1}", f"i{(len(log) - 1) ** 2}")


def test_a_head_of_parquet(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pl.DataFrame({"user": ["a"] * 1000, "item": ["b"] * 1000}).write_parquet(path)
    assert 0 < len(read_log(path, DataConfig(), head_bytes=3200)) < 1000
    path.write_bytes(path.read_bytes()[:100])
    assert len(read_log(path, DataConfig(), head_bytes=100)) == 0


_ids = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufeff"),
    min_size=1,
    max_size=8,
).filter(
    lambda text: text == text.strip() and text.isprintable() and not re.match(r"\[|\{|---|-?\d.*[eE]", text)
)
_times = st.integers(-(2**62), 10**7) | st.integers(3 * 10**18, 2**62)
"""Which cannot be times of several units, because they are not times since 1970."""


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(_ids, _ids, _times), min_size=1, max_size=30),
    name=st.sampled_from(sorted(WRITERS)),
    suffix=st.sampled_from(sorted(COMPRESSORS)),
    block=st.integers(400, 2000),
)
def test_any_log_survives_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], name: str, suffix: str, block: int
) -> None:
    path = tmp_path_factory.mktemp("log") / (name + suffix)
    content = COMPRESSORS[suffix](WRITERS[name](rows))
    data = DataConfig(null_ids="keep")
    assert rows_of(read(path, content, data, limits=Limits(block_bytes=block))) == rows


@settings(max_examples=30, deadline=None)
@given(
    cells=st.lists(st.text(st.sampled_from('ab",; \n\r'), max_size=6), min_size=1, max_size=40),
    block=st.integers(60, 300),
)
def test_blocks_never_cut_quoted_text(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], block: int
) -> None:
    rows = [(f"u{index}", cell, f"i{index}") for index, cell in enumerate(cells)]
    frame = pl.DataFrame(rows, schema=["user", "note", "item"], orient="row")
    path = tmp_path_factory.mktemp("log") / "log.csv"
    content = frame.write_csv(quote_style="always").encode()
    log = read(path, content, DataConfig(quoting="standard"), limits=Limits(block_bytes=block))
    assert log.frame.rows() == [(user, item) for user, _, item in rows]


@pytest.mark.parametrize("item", ["12.0", "12.50", "1e-7", "-0.0", "123456789.125", "1E5"])
def test_a_number_is_the_same_text_wherever_it_is_read(tmp_path: Path, item: str) -> None:
    """A user that looks like a list makes a block be read line by line."""
    found = set[str]()
    for user in ("deleted", "[deleted]"):
        path = tmp_path / f"{user}.jsonl"
        path.write_text(f'{{"user":"{user}","item":{item}}}\n')
        found |= set(read_log(path, DataConfig()).frame["item"])
    assert len(found) == 1
