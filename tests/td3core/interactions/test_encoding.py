"""Text that is not UTF-8: read where the spec names its encoding, and refused with what it may be otherwise."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from td3core.config import DataConfig, Encoding
from td3core.errors import BadRowsError, UnreadableLogError
from td3core.interactions import Limits, read_log


def read(path: Path, content: bytes, encoding: Encoding = "utf-8") -> list[tuple[object, ...]]:
    path.write_bytes(content)
    return read_log(path, DataConfig(encoding=encoding)).frame.rows()


@pytest.mark.parametrize(
    ("encoding", "item"),
    [
        ("latin-1", "café"),
        ("cp1252", "“café”"),
        ("cp1250", "žluťoučký"),
        ("cp1251", "книга"),
        ("gb18030", "三国演义𠀀"),
        ("big5", "三國演義"),
        ("cp932", "源氏物語ソ"),
        ("euc-jp", "源氏物語"),
        ("cp949", "홍길동전"),
        ("utf-16", "café 三"),
        ("utf-16-le", "café 三"),
        ("utf-16-be", "café 三"),
        ("utf-8", "café 三"),
    ],
)
def test_every_encoding_is_read_where_it_is_named(tmp_path: Path, encoding: Encoding, item: str) -> None:
    text = f"user,item\nu,{item}\n"
    assert read(tmp_path / "log.csv", text.encode(encoding), encoding) == [("u", item)]
    assert read(tmp_path / "log.gz", gzip.compress(text.encode(encoding)), encoding) == [("u", item)]
    lines = f'{{"user": "u", "item": "{item}"}}\n'
    assert read(tmp_path / "log.jsonl", lines.encode(encoding), encoding) == [("u", item)]


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_the_byte_order_mark_of_utf_16_is_no_part_of_the_header(tmp_path: Path, mark: bytes) -> None:
    encoding: Encoding = "utf-16-le" if mark == b"\xff\xfe" else "utf-16-be"
    content = mark + "user,item\na,b\n".encode(encoding)
    for name in (encoding, "utf-16"):
        path = tmp_path / "log.csv"
        path.write_bytes(content)
        assert read_log(path, DataConfig.model_validate({"encoding": name})).frame.rows() == [("a", "b")]


def test_characters_at_the_edges_of_pieces(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(("user,item\n" + "用户,三国演义\n" * 300_000).encode("gb18030"))
    log = read_log(path, DataConfig(encoding="gb18030"), limits=Limits(block_bytes=100_003))
    assert log.frame.unique().rows() == [("用户", "三国演义")]
    assert len(log) == 300_000


@pytest.mark.parametrize(
    ("content", "encoding", "said"),
    [
        ("user,item\nu,三国".encode("gb18030")[:-1], "gb18030", "not gb18030 text.*near byte 1[0-9]"),
        (
            b"user,item\nu,\x81\n",
            "cp1252",
            r"not cp1252 text, as data.encoding says: .* near byte 12 \(81 0a\)",
        ),
        (
            "user,item\nu,café\n".encode(),
            "latin-1",
            "data.encoding is latin-1, but the file is in UTF-8; leave it",
        ),
        (b"\xef\xbb\xbfuser,item\nu,cafe\n", "cp1252", "but the file is in UTF-8"),
        ("user,item\n".encode("utf-16-le"), "utf-16", "no byte order mark; set it to utf-16-le or utf-16-be"),
        (
            "user,item\n".encode("utf-16-le"),
            "utf-8",
            "UTF-16 text; save it as UTF-8, or set data.encoding to utf-16-le",
        ),
        ("user,item\n".encode("utf-16-be"), "utf-8", "set data.encoding to utf-16-be"),
        ("user,item\n".encode("utf-16"), "utf-8", "set data.encoding to utf-16[.]"),
        (
            "用户,item\n三国,b\n".encode("gb18030"),
            "utf-8",
            r"is not valid UTF-8; .* such as gb18030 \(GBK\), big5",
        ),
        ("usér,item\na,b\n".encode("latin-1"), "utf-8", "is not valid UTF-8; .* such as latin-1 or cp1252"),
    ],
)
def test_text_in_another_encoding_than_the_spec_has(
    tmp_path: Path, content: bytes, encoding: Encoding, said: str
) -> None:
    with pytest.raises(UnreadableLogError, match=said) as caught:
        read(tmp_path / "log.csv", content, encoding)
    if encoding != "utf-8":
        assert caught.value.problems[0].field == "data.encoding"


def test_the_first_line_that_is_not_utf8_says_what_it_may_be(tmp_path: Path) -> None:
    """Though the column is not used."""
    for text, encoding, likely in (
        ("user,item,name\na,b,c\na,b,Café\n", "latin-1", "latin-1 or cp1252"),
        ("user,item,name\na,b,c\na,b,三国\n", "gb18030", "gb18030 (GBK), big5, cp932 or cp949"),
    ):
        with pytest.raises(BadRowsError) as caught:
            read(tmp_path / "log.csv", text.encode(encoding))
        (problem,) = caught.value.problems
        assert (problem.line, problem.field) == (3, "data.encoding")
        assert problem.reason.endswith(f"such as {likely}")


def test_parquet_has_no_use_for_an_encoding(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pl.DataFrame({"user": ["a"], "item": ["b"]}).write_parquet(path)
    with pytest.raises(UnreadableLogError, match=r"data\.encoding is for text, but the log is Parquet"):
        read_log(path, DataConfig(encoding="latin-1"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "gb18030"])
def test_text_that_may_be_cut_may_end_within_a_character(tmp_path: Path, encoding: Encoding) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes("user,item\n国,家\n国,国".encode(encoding)[:-1])
    assert read_log(path, DataConfig(encoding=encoding), head_bytes=1 << 20).frame.rows() == [("国", "家")]
    if encoding != "utf-8":
        with pytest.raises(UnreadableLogError, match=f"the file is not {encoding} text"):
            read_log(path, DataConfig(encoding=encoding))
