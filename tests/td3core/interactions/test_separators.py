"""Separators that the spec names."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from td3core.config import DataConfig
from td3core.errors import BadRowsError, UnreadableLogError
from td3core.interactions import Limits, read_log
from td3core.interactions._quoting import UNIT_SEPARATOR, single_separators

NAMES = ("user", "item", "ts")


@pytest.mark.parametrize("separator", ["::", " ", "~", "\t\t", "-|-", ","])
@pytest.mark.parametrize("block", [7, 1 << 20])
def test_fields_are_cut_at_the_separator(tmp_path: Path, separator: str, block: int) -> None:
    rows = [(f"u:{n}", f"i:{n}", n) for n in range(50)]
    path = tmp_path / "ratings.dat"
    path.write_text("".join(separator.join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    data = DataConfig(separator=separator, header=NAMES)
    assert read_log(path, data, limits=Limits(block_bytes=block)).frame.rows() == rows


@given(text=st.text(":a", max_size=12), cuts=st.lists(st.integers(0, 12)))
def test_it_does_not_matter_where_chunks_end(text: str, cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(text)]
    chunks = [text[begin:end].encode() for begin, end in pairwise(ends)]
    joined = b"".join(single_separators(chunks, b"::"))
    assert joined == text.replace("::", UNIT_SEPARATOR).encode()


def test_problems_are_shown_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "ratings.dat"
    path.write_text("user::item\na::b\na::b::c\n", encoding="utf-8")
    with pytest.raises(BadRowsError) as caught:
        read_log(path, DataConfig(separator="::"))
    assert [(problem.line, problem.value) for problem in caught.value.problems] == [(3, "a::b::c")]


def test_where_there_are_no_separators_none_may_be_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"user": "a", "item": "b"}\n', encoding="utf-8")
    with pytest.raises(UnreadableLogError, match=r"data\.separator is for CSV"):
        read_log(path, DataConfig(separator=","))
    for separator in ('"', "", "\n", "\x1f", "x" * 9):
        with pytest.raises(ValidationError):
            DataConfig(separator=separator)
