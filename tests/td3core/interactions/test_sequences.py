"""Text with a user and all of its items in each line."""

from pathlib import Path
from typing import Any

import pytest

from td3core.config import DataConfig
from td3core.errors import BadRowsError, InvalidLogError
from td3core.interactions import Limits, read_log

PAIRS = [("1", "5"), ("1", "9"), ("1", "5"), ("2", "9"), ("10", "007")]


def read(path: Path, content: str | bytes, **data: Any) -> list[tuple[object, ...]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_log(path, DataConfig.model_validate({"layout": "sequences", **data})).frame.rows()


@pytest.mark.parametrize(
    ("name", "content", "separator"),
    [
        ("log.txt", "1 5 9 5\n2 9\n10 007\n", None),
        ("log.txt", "1 5 9 5\r\n2 9\r\n\r\n10 007", None),
        ("log.dat", "\ufeff1\t5  9\t 5 \n \n 2 9\n10 007 \n", None),
        ("log.csv", "1,5,9,5\n2,9\n10,007\n", ","),
        ("log.inter", "1::5::9::5\r\n2::9\r\n10::007\r\n", "::"),
        ("log", "1|5|9|5\n2|9\n10|007", "|"),
    ],
)
def test_the_order_of_a_line_is_the_order_of_the_user(
    tmp_path: Path, name: str, content: str, separator: str | None
) -> None:
    assert read(tmp_path / name, content, separator=separator) == PAIRS


def test_lines_over_many_blocks(tmp_path: Path) -> None:
    lines = {f"u{n}": [f"i{n * k % 97}" for k in range(1, 40)] for n in range(1000)}
    path = tmp_path / "log.txt"
    path.write_text("".join(f"{user} {' '.join(items)}\n" for user, items in lines.items()))
    log = read_log(path, DataConfig(layout="sequences"), limits=Limits(block_bytes=5000))
    assert log.frame.rows() == [(user, item) for user, items in lines.items() for item in items]
    head = read_log(path, DataConfig(layout="sequences"), head_bytes=10_000).frame
    assert head.rows() == log.frame.head(head.height).rows()
    assert head.height % 39 == 0


@pytest.mark.parametrize(
    ("content", "spec", "said"),
    [
        (
            "1 5 9\n2\n",
            {},
            r"line 2: expected a user and at least one item, separated by spaces or tabs \(data.sep",
        ),
        ("1,5,9\n2,3\n", {}, "line 1: expected a user and at least one item"),
        (
            "1 5 9\n2 3\n",
            {"separator": ","},
            "line 1: expected a user and at least one item, separated by ','",
        ),
        ("1,5,9,\n", {"separator": ","}, "line 1, column item: empty value"),
        ("1 5 NULL\n", {}, "line 1, column item: a marker of a missing value"),
        (b"1 5\n2 caf\xe9\n", {}, "line 2: not valid UTF-8"),
        (
            "user_id items\n1 5\n",
            {},
            "first line .'user_id items'. is a header, but data.layout is sequences",
        ),
        ("user,items\n1,5\n", {"separator": ","}, "is a header"),
        ("% users\n1 5\n", {}, "the first line .'% users'. is a comment; remove such lines"),
        ("1 5\r2 9\r", {}, "line 1: a line ends in a carriage return alone"),
        ("1 5\r\n2 9\r3 4\n", {}, "line 2: a line ends in a carriage return alone"),
        (
            "1 5\n",
            {"quoting": "none"},
            "data.quoting is for CSV, TSV and .inter, but the log is lines of seq",
        ),
        ("1 5\n", {"time_format": "%Y-%m-%d"}, "no column is used as the timestamp; leave it out"),
        (
            "1 5\n",
            {"header": ["user", "item"]},
            "data.header is for CSV, TSV and .inter, but the log is lines of sequences",
        ),
        ("1 5\n", {"columns": {"timestamp": "ts"}}, "no column 'ts', but data.columns.timestamp names it"),
        ("1 5\n", {"min_rating": 3.0}, "no column is recognised as the rating"),
        (
            '{"user": 1, "item": 2}\n',
            {"format": "jsonl"},
            "data.layout is for text that is not JSON, but the log is JSON",
        ),
    ],
)
def test_lines_that_are_refused(
    tmp_path: Path, content: str | bytes, spec: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidLogError, match=said):
        read(tmp_path / "log.txt", content, **spec)


def test_bad_lines_are_listed_up_to_the_limit(tmp_path: Path) -> None:
    with pytest.raises(BadRowsError) as caught:
        read(tmp_path / "log.txt", "1 5\n2\n" * 100)
    assert [problem.line for problem in caught.value.problems] == list(range(2, 42, 2))


@pytest.mark.parametrize(
    ("content", "mark"),
    [
        ("1: 5 9\n2: 9\n", "a colon"),
        ("1\t5,9\n2\t9,5\n", "a comma"),
        ("1 i5:1 i9:1\n2 i9:0.5\n", "a colon"),
        ("1 [5 9]\n2 [9 5]\n", "a bracket"),
        ("1 5|9\n2 9|5\n", "a bar"),
    ],
)
def test_what_separates_ids_beside_spaces_does_not_become_part_of_them(
    tmp_path: Path, content: str, mark: str
) -> None:
    with pytest.raises(InvalidLogError, match=f"most of the first lines have {mark}"):
        read(tmp_path / "log.txt", content)
    with pytest.raises(InvalidLogError, match="most of the first lines"):  # a user may have one item
        read(tmp_path / "log.txt", content * 5 + "3 4\n")
    assert read(tmp_path / "log.txt", f"{content}3 4 5\n")[-1] == ("3", "5")
    users = {user for user, _ in read(tmp_path / "log.txt", content.replace("\t", " "), separator=" ")}
    assert users == {line.split()[0] for line in content.splitlines()}
