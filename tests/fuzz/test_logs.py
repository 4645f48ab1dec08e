"""Whatever a log holds, it is read or refused with a reason that can be told."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from pathlib import Path
from typing import Literal

import polars as pl
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from td3core.config import DataConfig
from td3core.config.data import ColumnsConfig
from td3core.errors import InvalidLogError
from td3core.interactions import validate_log
from tests.support.archives import as_parquet
from tests.support.fuzzing import fuzzed, mutated

ROWS = [(f"u{user}", f"i{(user + time) % 6}", 1_700_000_000 + time) for user in range(6) for time in range(6)]


def delimited(separator: str, *, header: bool = True, quote: str = "") -> bytes:
    lines = [separator.join(("user_id", "item_id", "timestamp"))] if header else []
    lines += [separator.join(f"{quote}{value}{quote}" for value in row) for row in ROWS]
    return "\n".join(lines).encode() + b"\n"


OBJECTS: list[dict[str, object]] = [
    dict(zip(("user_id", "item_id", "timestamp"), row, strict=True)) for row in ROWS
]
CSV = delimited(",")


def zipped(name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr(name, data)
    return file.getvalue()


def as_arrow(
    table: pl.DataFrame, *, compression: Literal["uncompressed", "lz4", "zstd"], stream: bool = False
) -> bytes:
    file = io.BytesIO()
    (table.write_ipc_stream if stream else table.write_ipc)(file, compression=compression)
    return file.getvalue()


TABLE = pl.DataFrame(OBJECTS)
SESSIONS: list[dict[str, object]] = [
    {
        "session": f"u{user}",
        "events": [{"aid": item, "ts": time} for _, item, time in ROWS[6 * user : 6 * user + 6]],
    }
    for user in range(6)
]


def lines(rows: list[dict[str, object]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


LOGS = {
    "log.csv": CSV,
    "quoted.csv": delimited(",", quote='"'),
    "semicolon.csv": delimited(";"),
    "crlf.csv": b"\xef\xbb\xbf" + CSV.replace(b"\n", b"\r\n"),
    "log.tsv": delimited("\t"),
    "log.inter": delimited("\t").replace(b"user_id", b"user_id:token").replace(b"stamp", b"stamp:float"),
    "ratings.dat": delimited("::", header=False),
    "utf16.csv": CSV.decode().encode("utf-16"),
    "log.jsonl": lines(OBJECTS),
    "log.json": json.dumps(OBJECTS).encode(),
    "sessions.jsonl": lines(SESSIONS),
    "sequences.txt": b"".join(f"u{user} i1 i2 i3 i4 i{user}\n".encode() for user in range(6)),
    "log.parquet": as_parquet(TABLE),
    "groups.parquet": as_parquet(TABLE, row_group_size=5, compression="uncompressed"),
    "log.arrow": as_arrow(TABLE, compression="uncompressed"),
    "log.feather": as_arrow(TABLE, compression="zstd"),
    "log.arrows": as_arrow(TABLE, compression="lz4", stream=True),
    "log.csv.gz": gzip.compress(CSV),
    "log.csv.bz2": bz2.compress(CSV),
    "log.csv.xz": lzma.compress(CSV),
    "log.csv.zst": zstandard.compress(CSV),
    "log.csv.zip": zipped("log.csv", CSV),
}
CONFIGS = {
    "ratings.dat": DataConfig(format="csv", separator="::", header=("user_id", "item_id", "timestamp")),
    "utf16.csv": DataConfig(encoding="utf-16"),
    "sessions.jsonl": DataConfig(
        events="events", columns=ColumnsConfig(user="session", item="aid", timestamp="ts")
    ),
    "sequences.txt": DataConfig(layout="sequences"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def read(folder: Path, name: str, data: bytes) -> None:
    """Validate it as the API does: whole, and its beginning."""
    (folder / "log").write_bytes(data)
    for head_bytes in (None, 64):
        try:
            validate_log(folder / "log", CONFIGS.get(name, DataConfig()), name=name, head_bytes=head_bytes)
        except InvalidLogError as error:
            assert str(error)
            assert error.total >= len(error.problems) >= 1


@pytest.mark.parametrize("name", LOGS)
def test_the_seeds_are_logs(folder: Path, name: str) -> None:
    """Otherwise their variations would all be refused for the same reason."""
    (folder / "log").write_bytes(LOGS[name])
    validate_log(folder / "log", CONFIGS.get(name, DataConfig()), name=name)


@pytest.mark.parametrize("name", LOGS)
@fuzzed(25)
@given(st.data())
def test_logs(folder: Path, name: str, data: st.DataObject) -> None:
    read(folder, name, data.draw(mutated([LOGS[name]])))


@fuzzed(60)
@given(st.sampled_from(sorted(LOGS)), st.sampled_from(sorted(LOGS)), st.binary(max_size=200))
def test_logs_under_other_names(folder: Path, name: str, other: str, start: bytes) -> None:
    read(folder, name, LOGS[other])
    read(folder, name, start)
