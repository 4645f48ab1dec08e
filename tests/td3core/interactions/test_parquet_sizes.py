"""What a Parquet file will take is told by its footer, before any of it is read."""

import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3core.config import DataConfig
from td3core.errors import LogTooLargeError, UnreadableLogError
from td3core.interactions import Limits, read_log
from td3core.interactions._footer import mean_of_dictionary, read_footer

ROWS = 1000


def footer_of(path: Path) -> bytes:
    data = path.read_bytes()
    return data[-8 - int.from_bytes(data[-8:-4], "little") : -8]


def written(path: Path, *, groups: int = 1, **columns: object) -> Path:
    """A log in so many row groups; more columns take the place of the usual ones."""
    usual = {"user": [f"u{row % 50}" for row in range(ROWS)], "item": [row % 7 for row in range(ROWS)]}
    frame = pl.DataFrame({**usual, **columns})
    frame.write_parquet(path, row_group_size=ROWS // groups, compression="uncompressed")
    return path


@pytest.mark.parametrize("groups", [1, 4, 20])
def test_sizes_are_those_of_the_file(tmp_path: Path, groups: int) -> None:
    """Without compression, columns fill it up to the footer, but for the heads of their pages."""
    other = {"price": [0.5] * ROWS, "seen": [True] * ROWS, "text": [f"{row:>999}" for row in range(ROWS)]}
    path = written(tmp_path / "log.parquet", groups=groups, **other)
    found = read_footer(footer_of(path))
    assert found.rows == ROWS
    assert list(found.chunks) == ["user", "item", "price", "seen", "text"]
    assert {len(chunks) for chunks in found.chunks.values()} == {groups}
    columns = sum(chunk.size for chunks in found.chunks.values() for chunk in chunks)
    assert 0.95 < columns / (path.stat().st_size - len(footer_of(path)) - 8 - 4) <= 1


def test_the_dictionary_of_a_column_is_found(tmp_path: Path) -> None:
    path = repeated(tmp_path / "log.parquet", "x" * 996, rows=10)
    (chunk,) = read_footer(footer_of(path)).chunks["user"]
    with path.open("rb") as file:
        assert mean_of_dictionary(file, chunk) == 1000, "the text and its length"
    (none,) = read_footer(footer_of(written(path, user=[None] * ROWS))).chunks["user"]
    with path.open("rb") as file:
        assert mean_of_dictionary(file, none) == 0


@given(cut=st.integers(0, 400), at=st.integers(0, 400), byte=st.integers(0, 255))
def test_a_damaged_footer_is_read_or_refused(whole_footer: bytes, cut: int, at: int, byte: int) -> None:
    damaged = bytearray(whole_footer)
    damaged[at % len(damaged)] = byte
    for data in (bytes(damaged), whole_footer[:cut]):
        try:
            read_footer(data)
        except ValueError:
            continue


@pytest.fixture(scope="module")
def whole_footer(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return footer_of(written(tmp_path_factory.mktemp("footer") / "log.parquet", groups=2))


def test_a_footer_that_nests_for_ever() -> None:
    with pytest.raises(ValueError, match="nested more than"):
        read_footer(bytes([0x1C]) * 10_000)


def repeated(path: Path, value: str, *, rows: int) -> Path:
    """A log whose users are one value of a dictionary."""
    users = pl.Series([0] * rows, dtype=pl.UInt32).cat.to(pl.Enum([value]))
    pl.DataFrame({"user": users, "item": range(rows)}).write_parquet(path, row_group_size=rows)
    return path


READ = """
import resource, sys
from pathlib import Path
from td3core.config import DataConfig
from td3core.errors import InvalidLogError
from td3core.interactions import read_log
try:
    read_log(Path(sys.argv[1]), DataConfig(), head_bytes=int(sys.argv[2]) or None)
except InvalidLogError as error:
    print(error)
"""


@pytest.mark.parametrize("head_bytes", [0, 2**22])
@pytest.mark.parametrize(
    ("size", "rows", "told"),
    [
        (8192, 100_000, "the column 'user' has values of 8,196 bytes on average in row group 1"),
        (40 * 2**20, 100_000, "the column 'user' has values of 41,943,044 bytes on average in row group 1"),
    ],
)
def test_a_long_value_of_a_dictionary_is_refused_in_little_memory(
    tmp_path: Path, size: int, rows: int, told: str, head_bytes: int
) -> None:
    """Each row would have its own copy."""
    path = repeated(tmp_path / "log.parquet", "x" * size, rows=rows)
    limit = 1 << 30
    ended = subprocess.run(
        [sys.executable, "-c", READ, str(path), str(head_bytes)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),
    )
    assert told in ended.stdout, ended.stderr
    assert "expected at most 4,096" in ended.stdout


def test_a_row_group_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "log.parquet", groups=2)
    size = read_footer(footer_of(path)).chunks["user"][0].size
    small = replace(Limits(), chunk_bytes=size - 1)
    for head_bytes in (None, 1000):
        with pytest.raises(
            UnreadableLogError, match=r"the column 'user' has .* in row group 1; .* smaller row groups"
        ):
            read_log(path, DataConfig(), limits=small, head_bytes=head_bytes)
    assert len(read_log(path, DataConfig(), limits=replace(Limits(), chunk_bytes=size)).frame) == ROWS


def test_columns_that_are_not_read_may_be_of_any_size(tmp_path: Path) -> None:
    path = written(tmp_path / "log.parquet", text=["x" * 9999 + str(row) for row in range(ROWS)])
    assert len(read_log(path, DataConfig(), limits=replace(Limits(), chunk_bytes=100_000)).frame) == ROWS


def test_a_log_that_is_too_large_as_a_whole_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "log.parquet", user=[f"{row:>2000}" for row in range(ROWS)])
    with pytest.raises(LogTooLargeError, match="bytes without compression, more than 1,000,000"):
        read_log(path, DataConfig(), limits=replace(Limits(), log_bytes=1_000_000))
