"""Compressed logs: what is read, and what a hostile or damaged one may not do."""

import bz2
import gzip
import io
import lzma
import resource
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import zstandard

from td3core.config import DataConfig
from td3core.errors import LogTooSmallError, UnreadableLogError
from td3core.interactions import read_log

ROWS = b"user,item,ts\n" + b"".join(b"u%d,i%d,%d\n" % (n % 7, n % 11, n) for n in range(50_000))


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def split(compress, at: int = 12_345) -> bytes:
    return compress(ROWS[:at]) + compress(ROWS[at:])


CONTENTS = {
    "log.csv.gz": gzip.compress(ROWS, mtime=0),
    "log.csv.zst": zstandard.compress(ROWS),
    "log.csv.bz2": bz2.compress(ROWS),
    "log.csv.xz": lzma.compress(ROWS),
    "log.csv.zip": zipped({"log.csv": ROWS}),
    "stored.zip": zipped({"log.csv": ROWS}, zipfile.ZIP_STORED),
    "folder.zip": zipped(
        {"ml/": b"", "ml/log.csv": ROWS, "__MACOSX/ml/._log.csv": b"x", "ml/.DS_Store": b"x"}
    ),
    "parts.csv.gz": split(lambda part: gzip.compress(part, mtime=0)),
    "parts.csv.zst": split(zstandard.compress, 3),
    "parts.csv.bz2": split(bz2.compress, 3),
    "parts.csv.xz": split(lzma.compress, 3),
    "padded.csv.xz": lzma.compress(ROWS[:99]) + bytes(8) + lzma.compress(ROWS[99:]) + bytes(4),
    "no suffix": lzma.compress(ROWS),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_every_compression_gives_the_same_log(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(CONTENTS[name])
    frame = read_log(path, DataConfig()).frame
    assert frame.height == 50_000
    assert frame.row(-1) == (f"u{49_999 % 7}", f"i{49_999 % 11}", 49_999)
    assert np.array_equal(frame["timestamp"].to_numpy(), np.arange(50_000))


def test_the_name_in_an_archive_tells_the_format(tmp_path: Path) -> None:
    path = tmp_path / "data.zip"
    path.write_bytes(zipped({"log.inter": b'user_id:token\titem_id:token\n"a\tb\n'}))
    assert read_log(path, DataConfig(), name="ml.zip").frame.rows() == [('"a', "b")]


def test_the_beginning_of_a_log_that_is_cut(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    rows = b"user,item\n" + b"".join(
        b"u%d,i%d\n" % tuple(row) for row in generator.integers(1 << 40, size=(100_000, 2))
    )
    for name, content in {
        "a.gz": gzip.compress(rows),
        "a.bz2": bz2.compress(rows),
        "a.xz": lzma.compress(rows),
    }.items():
        path = tmp_path / name
        path.write_bytes(content[: len(content) * 9 // 10])
        assert len(read_log(path, DataConfig(), head_bytes=50_000)) > 1000
        with pytest.raises(UnreadableLogError, match="data are truncated"):
            read_log(path, DataConfig())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (bz2.compress(ROWS)[:-20], "bzip2 data are truncated"),
        (bz2.compress(ROWS) + b"junk", "bzip2 data are damaged"),
        (bz2.compress(ROWS)[:9999] + bytes(50) + bz2.compress(ROWS)[10_049:], "bzip2 data are damaged"),
        (lzma.compress(ROWS)[:-20], "xz data are truncated"),
        (lzma.compress(ROWS) + b"junk", "xz data are damaged"),
        (lzma.compress(ROWS)[:60] + bytes(50) + lzma.compress(ROWS)[110:], "xz data are damaged"),
        (zipped({"log.csv": ROWS})[:-30], "zip archive is damaged or truncated"),
        (zipped({"log.csv": ROWS})[20:], "binary"),
        (
            b"PK\x03\x04" + zipped({"log.csv": ROWS})[:50] + zipped({"log.csv": ROWS})[100:],
            "zip archive is damaged",
        ),
        (zipped({}), "binary"),
        (zipped({"a/": b""}), "has 0 files; expected exactly one"),
        (
            zipped({"ratings.csv": ROWS, "README": b""}),
            r"has 2 files \(ratings.csv, README\); expected exactly one",
        ),
        (zipped({f"{n}\x1b[31m.csv": b"" for n in range(9)}), r"has 9 files \(0\\x1b\[31m.csv, .*, …\)"),
        (zipped({"log.csv": ROWS}, zipfile.ZIP_BZIP2), "compressed by bzip2; expected deflate"),
        (zipped({"log.csv": ROWS}, zipfile.ZIP_LZMA), "compressed by lzma; expected deflate"),
        (
            zipped({"[Content_Types].xml": b"", "xl/workbook.xml": b""}),
            "an Excel workbook; save the sheet as CSV",
        ),
        (zipped({"user.npy": b"", "item.npy": b""}), "a NumPy archive; write"),
        (zipped({"model/data.pkl": b"", "model/version": b""}), "a PyTorch file; write"),
        (zipped({"mimetype": b"", "content.xml": b""}), "an OpenDocument file; save"),
        (zipped({"log.zip": zipped({"log.csv": ROWS})}), "an archive within compressed data"),
        (gzip.compress(gzip.compress(ROWS)), "compressed twice"),
    ],
)
def test_archives_that_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(UnreadableLogError, match=said):
        read_log(path, DataConfig())


def test_an_encrypted_file(tmp_path: Path) -> None:
    content = bytearray(zipped({"log.csv": ROWS}))
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "log.zip").write_bytes(content)
    with pytest.raises(UnreadableLogError, match="encrypted"):
        read_log(tmp_path / "log.zip", DataConfig())


def test_an_empty_file_in_an_archive(tmp_path: Path) -> None:
    (tmp_path / "log.zip").write_bytes(zipped({"log.csv": b""}))
    with pytest.raises(LogTooSmallError, match="the file is empty"):
        read_log(tmp_path / "log.zip", DataConfig())


@pytest.mark.parametrize("size", [1000, len(ROWS) - 1, len(ROWS) + 1, 0xFFFFFFF0])
def test_a_size_in_the_directory_that_is_a_lie(tmp_path: Path, size: int) -> None:
    content = bytearray(zipped({"log.csv": ROWS}))
    struct.pack_into("<L", content, content.rindex(b"PK\x01\x02") + 24, size)
    (tmp_path / "log.zip").write_bytes(content)
    if size < len(ROWS):
        with pytest.raises(UnreadableLogError, match="Bad CRC-32"):
            read_log(tmp_path / "log.zip", DataConfig())
    else:
        assert len(read_log(tmp_path / "log.zip", DataConfig())) == 50_000


def test_a_directory_of_many_files_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "log.zip"
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(3 << 20)
        file.seek(0, 2)
        file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 9, 9, 3 << 20, 0, 0))
    with pytest.raises(UnreadableLogError, match="its directory has 3,145,728 bytes; expected at most"):
        read_log(path, DataConfig())


def test_an_excel_workbook_of_polars_is_named(tmp_path: Path) -> None:
    """Whatever it is called."""
    path = tmp_path / "log.csv"
    path.write_bytes(zipped({"[Content_Types].xml": b"", "_rels/.rels": b"", "xl/workbook.xml": b""}))
    with pytest.raises(UnreadableLogError, match="Excel"):
        read_log(path, DataConfig())


@pytest.mark.parametrize("name", ["log.csv.bz2", "log.csv.xz", "log.csv.zip"])
def test_parquet_is_not_compressed_once_more(tmp_path: Path, name: str) -> None:
    file = io.BytesIO()
    pl.DataFrame({"user": ["a"], "item": ["b"]}).write_parquet(file)
    compress = {"bz2": bz2.compress, "xz": lzma.compress, "zip": lambda data: zipped({"a": data})}
    path = tmp_path / name
    path.write_bytes(compress[name.rsplit(".", 1)[1]](file.getvalue()))
    with pytest.raises(UnreadableLogError, match="must not be compressed by"):
        read_log(path, DataConfig())


BOMBS = {
    "bzip2": (
        lambda: bz2.compress(b"user,item\n") + bz2.compress(b"user1,item1\n" * (1 << 18)) * 130,
        "bytes of text",
    ),
    "gzip": (
        lambda: gzip.compress(b"user,item\n") + gzip.compress(b"user1,item1\n" * (1 << 20)) * 32,
        "bytes of text",
    ),
    "zip": (lambda: zipped({"log.csv": b"user,item\n" + b"x" * (400 << 20)}), "bytes of text"),
    "xz": (lambda: lzma.compress(b"user,item\n" + b"x" * (400 << 20), preset=0), "bytes of text"),
    "a dictionary of 1.5 GiB": (
        lambda: lzma.compress(
            b"user,item\na,b\n", filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 3 << 29}]
        ),
        "xz data are damaged: Memory usage limit exceeded",
    ),
}
"""Some 400 MB of text each, from at most two."""


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_takes_neither_memory_nor_time(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "log"
    bomb, said = BOMBS[kind]
    path.write_bytes(bomb())
    code = (
        "import sys, pathlib\n"
        "from td3core.config import DataConfig\n"
        "from td3core.interactions import Limits, read_log\n"
        "read_log(pathlib.Path(sys.argv[1]), DataConfig(), limits=Limits(modest_bytes=32 << 20, expansion=2))"
    )
    limit = 1 << 30
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "UnreadableLogError" in done.stderr
    assert said in done.stderr
