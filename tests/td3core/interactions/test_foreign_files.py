"""Files of other layouts: what is read in spite of its name, and what the refusal of the others says."""

import io
import lzma
import pickle
import sqlite3
import tarfile
import zlib
from pathlib import Path

import pytest

from td3core.config import DataConfig
from td3core.errors import UnreadableLogError
from td3core.interactions import read_log

ROWS = "user,item,ts\nu1,i1,1\nu2,i2,2\n"


def read(path: Path, content: bytes | str, data: DataConfig | None = None) -> list[tuple[object, ...]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_log(path, data or DataConfig()).frame.rows()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.tsv", ROWS),
        ("log.tsv", ROWS.replace(",", ";")),
        ("log.csv", "sep=,\r\n" + ROWS.replace("\n", "\r\n")),
        ("log.csv", "sep=;\n" + ROWS.replace(",", ";")),
        ("log.csv", '"sep=;"\n' + ROWS.replace(",", ";")),
        ("log.csv", "sep=;\nuser;item,name;ts\nu1;i1;1\nu2;i2;2\n".replace("item,name", "item")),
        ("log.csv", "#" + ROWS),
    ],
)
def test_the_separator_is_seen_in_spite_of_the_name(tmp_path: Path, name: str, content: str) -> None:
    assert read(tmp_path / name, content) == [("u1", "i1", 1), ("u2", "i2", 2)]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("pairs.txt", "3 9\n3 11\n", "separated by spaces; set data.separator to ' '"),
        ("ratings.dat", "1::1193::5::978300760\n", "separated by two colons; set data.separator to '::'"),
        ("log.inter", "user_id:token item_id:token\n1 2\n", "separated by spaces; set"),
        ("log.inter", "user_id:token,item_id:token\n1,2\n", "separated by commas; set"),
        ("log.csv", "# dump of 2024\nuser,item\na,b\n", "is a comment; remove such lines"),
        ("log.csv", "% nodes: 3, links: 4\na,b\n", "is a comment; remove such lines"),
        ("log.csv", "customer\na\n", "has a single field; expected at least a user and an item"),
        ("log.json", "{'user': 'a', 'item': 'b'}\n", "dictionaries of Python, not JSON"),
        ("log.json", "{u'user': 'a', u'item': 'b'}\n", "dictionaries of Python, not JSON"),
        ("log.json", '{\n "user": 1,\n "item": 2,\n', "truncated"),
        ("log.jsonl", "user,item\n", "no line is a JSON object"),
        ("log.csv", ROWS.encode("utf-16-le"), "UTF-16"),
        ("log.csv", ROWS.encode("utf-16-be"), "UTF-16"),
        *(
            ("log.pkl", pickle.dumps(log, protocol=protocol), "a Python pickle")
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
            for log in ([("a", "b")], {"user": ["a"]}, DataConfig())
        ),
        ("log.sql", "-- a comment\n\nINSERT INTO views VALUES (1, 2);\n", "a dump of a database"),
        ("log.sql", "/*!40101 SET NAMES utf8 */;\nCREATE TABLE `views` (\n", "a dump of a database"),
        ("log.sql", "COPY public.views (user_id, item_id) FROM stdin;\n1\t2\n", "a dump of a database"),
        ("log.txt", "1 3:1 17:0.5\n0 2:1\n", "the format of LIBSVM"),
        ("log.yaml", "- user: a\n  item: b\n", "the file is YAML"),
        ("log.z", zlib.compress(ROWS.encode()), "compressed by zlib"),
        ("log.lzma", lzma.compress(ROWS.encode(), lzma.FORMAT_ALONE), "the old format of LZMA"),
        ("log.orc", b"ORC\x00\x01\x02", "an ORC file"),
        ("log.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook"),
    ],
)
def test_the_refusal_says_what_the_file_is(
    tmp_path: Path, name: str, content: bytes | str, told: str
) -> None:
    with pytest.raises(UnreadableLogError, match=told):
        read(tmp_path / name, content)


def test_the_first_line_of_a_log_with_names_in_the_spec_is_looked_at_as_well(tmp_path: Path) -> None:
    with pytest.raises(UnreadableLogError, match="separated by two colons"):
        read(
            tmp_path / "ratings.dat",
            "1::1193::5::978300760\n",
            DataConfig(header=("user", "item", "r", "ts")),
        )


def test_files_of_other_programs_are_named(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "log.db").execute("CREATE TABLE t (a)").connection.close()
    with tarfile.open(tmp_path / "log.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("log.csv")
        member.size = len(ROWS)
        archive.addfile(member, io.BytesIO(ROWS.encode()))
    for name, told in (
        ("log.db", "an SQLite database"),
        ("log.tar.gz", "a tar archive; unpack it, and send the log alone"),
    ):
        with pytest.raises(UnreadableLogError, match=told):
            read_log(tmp_path / name, DataConfig())
