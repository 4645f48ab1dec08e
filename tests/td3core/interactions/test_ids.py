"""Ids: what is removed around them, and what is none."""

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from td3core.config import ColumnsConfig, DataConfig
from td3core.errors import BadRowsError, MissingColumnError, UnreadableLogError
from td3core.interactions import read_log


def read(path: Path, text: str, data: DataConfig | None = None) -> list[tuple[object, ...]]:
    path.write_text(text, encoding="utf-8")
    return read_log(path, data or DataConfig()).frame.rows()


NULLS = ["NULL", "nan", "NaN", "None", "NA", "<NA>", "undefined", "N/A", "(null)"]


@pytest.mark.parametrize("word", NULLS)
def test_a_marker_of_a_missing_value_is_no_id_unless_it_is_said_to_be(tmp_path: Path, word: str) -> None:
    text = f"user,item,ts\n007,a,1\n{word},b,2\n7,{word},3\n"
    with pytest.raises(BadRowsError) as caught:
        read(tmp_path / "log.csv", text)
    assert [(problem.line, problem.column, problem.value) for problem in caught.value.problems] == [
        (3, "user", word),
        (4, "item", word),
    ]
    kept = read(tmp_path / "log.csv", text, DataConfig(null_ids="keep"))
    assert kept == [("007", "a", 1), (word, "b", 2), ("7", word, 3)]


def test_nan_in_json_is_no_id(tmp_path: Path) -> None:
    with pytest.raises(BadRowsError) as caught:
        read(tmp_path / "log.jsonl", '{"user": 1.0, "item": 2}\n{"user": NaN, "item": 2}\n')
    assert [problem.line for problem in caught.value.problems] == [2]


@pytest.mark.parametrize(
    "text",
    [
        "user, item\n u1, i1\nu1\t,i2 \n",
        "user,item\nu1,i1\n\ufeffu1,i2\n",
        "user,item\nu1,i1\nu1\ufeff ,i2\n",
        " user | item \n u1  | i1 \n u1  | i2 \n",
        "user,item\nu1\u200b,i1\n\u2060u1,i2\n",
    ],
    ids=["spaces", "byte order mark", "byte order mark behind", "padding", "spaces of no width"],
)
def test_white_space_and_byte_order_marks_are_no_part_of_an_id(tmp_path: Path, text: str) -> None:
    assert read(tmp_path / "log.csv", text) == [("u1", "i1"), ("u1", "i2")]


def test_spaces_around_ids_of_json_and_parquet_are_removed_as_well(tmp_path: Path) -> None:
    assert read(tmp_path / "log.jsonl", '{"user": " a ", "item": "b c"}\n') == [("a", "b c")]
    pl.DataFrame({"user": [" a"], "item": ["b\u00a0"]}).write_parquet(tmp_path / "log.parquet")
    assert read_log(tmp_path / "log.parquet", DataConfig()).frame.rows() == [("a", "b")]


def test_a_repeated_header_is_left_out(tmp_path: Path) -> None:
    text = "user,item,ts\na,b,1\nuser,item,ts\nuser,c,2\n\ufeffuser,item,ts\nd,e,3\n"
    assert read(tmp_path / "log.csv", text) == [("a", "b", 1), ("user", "c", 2), ("d", "e", 3)]


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_column_of_ids_in_quotes_is_refused_and_one_such_id_is_not(tmp_path: Path, quote: str) -> None:
    rows = "".join(f"{quote}u{n}{quote}\ti{n}\n" for n in range(12))
    with pytest.raises(BadRowsError, match="wrapped in quotes"):
        read(tmp_path / "log.inter", "user:token\titem:token\n" + rows)
    read(tmp_path / "log.inter", "user:token\titem:token\n" + rows + "u\ti\n")


def test_lists_are_no_ids(tmp_path: Path) -> None:
    text = "user\titem\na\t[1, 2]\nb\t['c']\nc\t[4 2 3]\nd\t{i1,i2}\n[deleted]\td\n{guid}\td\n"
    with pytest.raises(BadRowsError) as caught:
        read(tmp_path / "log.tsv", text)
    assert [problem.line for problem in caught.value.problems] == [2, 3, 4, 5]
    columns = ColumnsConfig(item="items")
    with pytest.raises(MissingColumnError, match="holds lists"):
        read(tmp_path / "log.inter", "user:token\titems:token_seq\na\tb c\n", DataConfig(columns=columns))


def test_a_first_row_is_no_header(tmp_path: Path) -> None:
    rows = "196\t242\t3\t881250949\n196\t302\t3\t891717742\n"
    named = DataConfig(format="tsv", columns=ColumnsConfig(user="196", item="242", timestamp="881250949"))
    for data in (DataConfig(format="tsv"), named):
        with pytest.raises(UnreadableLogError, match=r"looks like an interaction.*data\.header"):
            read(tmp_path / "u.data", rows, data)
    header = DataConfig(format="tsv", header=("user", "item", "rating", "ts"))
    assert read(tmp_path / "u.data", rows, header) == [("196", "242", 881250949), ("196", "302", 891717742)]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("log.csv", "userId,movieId,ts\na,b,1\n", "the log has its own in the first line"),
        ("log.csv", "a,b\n", "data.header has 3 names, but the first line has 2 fields"),
        ("log.jsonl", '{"user": "a", "item": "b"}\n', "the log is JSON"),
    ],
    ids=["two headers", "fields", "JSON"],
)
def test_names_in_the_spec_must_fit(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(UnreadableLogError, match=told) as caught:
        read(tmp_path / name, text, DataConfig(header=("user", "item", "ts")))
    assert [problem.field for problem in caught.value.problems] == ["data.header"]


def test_columns_may_be_counted(tmp_path: Path) -> None:
    data = DataConfig(columns=ColumnsConfig(user="0", item="1"))
    assert read(tmp_path / "log.csv", "0,1\na,b\n", data) == [("a", "b")]
    assert read(tmp_path / "log.csv", "user,item,2020,2021\na,b,1,2\n") == [("a", "b")]


@pytest.mark.parametrize("name", ["^user$", "*", "^.*$"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_name_that_looks_like_a_pattern_is_a_name(tmp_path: Path, name: str, suffix: str) -> None:
    frame = pl.DataFrame({"user": ["x"], name: ["a"], "item": ["b"]})
    path = tmp_path / f"log.{suffix}"
    write = {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[suffix]
    write(path)
    data = DataConfig(columns=ColumnsConfig(user=name))
    assert read_log(path, data).frame.rows() == [("a", "b")]


@pytest.mark.parametrize(
    "users",
    [
        pl.Series([7.0, 8.0]),
        pl.Series([Decimal(7), Decimal(8)], dtype=pl.Decimal(38, 0)),
        pl.Series([b"7", b"8"]),
    ],
    ids=["whole floats", "decimals", "bytes"],
)
def test_ids_of_parquet_that_are_whole_numbers_or_bytes(tmp_path: Path, users: pl.Series) -> None:
    pl.DataFrame({"user": users, "item": users}).write_parquet(tmp_path / "log.parquet")
    assert read_log(tmp_path / "log.parquet", DataConfig()).frame.rows() == [("7", "7"), ("8", "8")]


def test_ids_of_parquet_that_are_neither(tmp_path: Path) -> None:
    users = pl.Series([1.0, 1.5, float("nan"), 1e300])
    pl.DataFrame({"user": users, "item": users}).write_parquet(tmp_path / "log.parquet")
    with pytest.raises(BadRowsError) as caught:
        read_log(tmp_path / "log.parquet", DataConfig())
    number, large = (
        "not a whole number, which an id must be",
        "larger than 9,007,199,254,740,992, from where on",
    )
    problems = caught.value.problems
    assert [(problem.line, problem.column) for problem in problems] == [
        (line, column) for line in (2, 3, 4) for column in ("user", "item")
    ]
    for problem, reason in zip(problems[::2], (number, "empty value", large), strict=True):
        assert problem.reason.startswith(reason)
    pl.DataFrame({"user": [b"a"], "item": [b"\xff"]}).write_parquet(tmp_path / "log.parquet")
    with pytest.raises(UnreadableLogError, match="user or item has ids that are not UTF-8"):
        read_log(tmp_path / "log.parquet", DataConfig())


ROUNDED = "only the first digits are left"


@pytest.mark.parametrize("user", ["7.65611E+16", "7.65611979602879e+16", "7E+16", "1.5e10"])
def test_ids_that_a_spreadsheet_has_rounded_are_refused(tmp_path: Path, user: str) -> None:
    with pytest.raises(BadRowsError, match=ROUNDED):
        read(tmp_path / "log.csv", f"user,item\n{user},a\n3e5,b\n")


def test_codes_that_look_like_numbers_are_ids(tmp_path: Path) -> None:
    rows = [("3e5", "1E9"), ("1.5", "5e"), ("-", "--")]
    assert read(tmp_path / "log.csv", "user,item\n" + "".join(f"{u},{i}\n" for u, i in rows)) == rows


def test_a_line_of_dashes_is_no_id(tmp_path: Path) -> None:
    with pytest.raises(BadRowsError, match="a line of dashes"):
        read(tmp_path / "log.csv", "user,item\n-------,-------\na,b\n")


@pytest.mark.parametrize("spelt", ["76561197960282071.0", "76561197960282071.00"])
def test_large_whole_numbers_of_json_are_exact(tmp_path: Path, spelt: str) -> None:
    lines = f'{{"user": {spelt}, "item": "a"}}\n{{"user": 76561197960282071, "item": "b"}}\n'
    assert read(tmp_path / "log.jsonl", lines) == [("76561197960282071", "a"), ("76561197960282071", "b")]


@pytest.mark.parametrize("user", ["7.656119796028207e+16", "7.6561E16", "1e16", "1.5e300"])
def test_ids_of_json_that_were_rounded_are_refused(tmp_path: Path, user: str) -> None:
    with pytest.raises(BadRowsError, match=ROUNDED):
        read(tmp_path / "log.jsonl", f'{{"user": {user}, "item": "a"}}\n')


@pytest.mark.parametrize(("kind", "exact"), [(pl.Float64, 2**53), (pl.Float32, 2**24), (pl.Float16, 2**11)])
def test_floats_are_ids_up_to_where_they_round(tmp_path: Path, kind: type[pl.DataType], exact: int) -> None:
    path = tmp_path / "log.arrow"
    pl.DataFrame({"user": pl.Series([exact], dtype=kind), "item": ["a"]}).write_ipc(path)
    assert read_log(path, DataConfig()).frame.rows() == [(str(exact), "a")]
    pl.DataFrame({"user": pl.Series([2 * exact], dtype=kind), "item": ["a"]}).write_ipc(path)
    with pytest.raises(BadRowsError, match=f"larger than {exact:,}"):
        read_log(path, DataConfig())
    former = DataConfig(rules=1, quoting="standard")
    if kind != pl.Float64:
        assert read_log(path, former).frame.rows() == [(str(2 * exact), "a")]


@pytest.mark.parametrize(
    "lists", ["", '{"user": "[a]", "item": "b", "ts": 1}\n'], ids=["fast", "line by line"]
)
def test_the_first_rules_read_numbers_of_json_as_they_did(tmp_path: Path, lists: str) -> None:
    former = DataConfig(rules=1, quoting="standard")
    text = '{"user": 7.6561E16, "item": 1e16, "ts": 1.502E+09}\n' + lists
    assert read(tmp_path / "log.jsonl", text, former)[0] == (
        "76561000000000000",
        "10000000000000000",
        1502000000,
    )


def test_whole_numbers_in_two_spellings_are_refused(tmp_path: Path) -> None:
    rows = "user,item\n1,a\n2,2.0\n1.0,b\n"
    with pytest.raises(
        UnreadableLogError, match=r"user ids are whole numbers in two spellings, such as 1 and 1\.0"
    ):
        read(tmp_path / "log.csv", rows)
    assert len(read(tmp_path / "log.csv", rows, DataConfig(rules=1))) == 3
    assert read(tmp_path / "log.csv", "user,item\n1.0,v1.0\n2.0,v1\n") == [("1.0", "v1.0"), ("2.0", "v1")]
