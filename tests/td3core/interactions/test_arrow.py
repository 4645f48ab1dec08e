"""Arrow IPC: Feather and other files, and streams."""

import gzip
import io
import random
import struct
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pytest

from td3core.config import DataConfig
from td3core.errors import BadRowsError, InvalidLogError, LogTooLargeError, UnreadableLogError
from td3core.interactions import Limits, read_log

ROWS = 10_000
END = b"\xff\xff\xff\xff\0\0\0\0"
FRAME = pl.DataFrame(
    {
        "note": ["x" * (row % 9) for row in range(ROWS)],
        "user": [f"u{row % 77}" for row in range(ROWS)],
        "item": pl.Series([row * row % 997 for row in range(ROWS)], dtype=pl.UInt32),
        "ts": pl.Series(range(ROWS), dtype=pl.Datetime("ns")),
    }
)
WANT = [(f"u{row % 77}", str(row * row % 997), row) for row in range(ROWS)]


def arrow(
    frame: pl.DataFrame = FRAME,
    *,
    stream: bool = False,
    compression: Literal["uncompressed", "lz4", "zstd"] = "uncompressed",
    batch: int | None = None,
) -> bytes:
    file = io.BytesIO()
    if not stream:
        frame.write_ipc(file, compression=compression, record_batch_size=batch)
        return file.getvalue()
    whole = b""
    for part in frame.iter_slices(batch or max(1, frame.height)):
        file = io.BytesIO()
        part.rechunk().write_ipc_stream(file, compression=compression)
        schema = 8 + int.from_bytes(file.getvalue()[4:8], "little")
        whole += file.getvalue()[schema if whole else 0 : -len(END)]
    return whole + END


def read(path: Path, content: bytes, **data: Any) -> list[tuple[object, ...]]:
    path.write_bytes(content)
    return read_log(path, DataConfig.model_validate(data)).frame.rows()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
@pytest.mark.parametrize("batch", [None, 999])
@pytest.mark.parametrize("name", ["log.feather", "log"])
def test_files_and_streams(
    tmp_path: Path, stream: bool, compression: Any, batch: int | None, name: str
) -> None:
    content = arrow(stream=stream, compression=compression, batch=batch)
    assert read(tmp_path / name, content) == WANT


def test_types_of_ids(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user": pl.Series(["a", "b", "a"], dtype=pl.Categorical), "item": [1.0, 2.0, 3.0]})
    assert read(tmp_path / "log", arrow(frame)) == [("a", "1"), ("b", "2"), ("a", "3")]
    assert read(tmp_path / "log", arrow(frame, stream=True, batch=1)) == [("a", "1"), ("b", "2"), ("a", "3")]
    binary = pl.DataFrame({"user": [b"a", b"\xff"], "item": ["x", "y"]})
    with pytest.raises(UnreadableLogError, match="the column user has ids that are not UTF-8 text"):
        read(tmp_path / "log", arrow(binary))
    with pytest.raises(UnreadableLogError, match="the user column 'user' has type List"):
        read(tmp_path / "log", arrow(pl.DataFrame({"user": [[1]], "item": [1]})))


def test_what_pyarrow_writes(tmp_path: Path) -> None:
    """Dictionaries that grow and are replaced, a Feather file as pandas has it, and no end of the stream."""
    path = tmp_path / "log"
    parts = [["a", "b"], ["a", "c"], ["d", "a"]]
    batches = [
        pa.record_batch({"user": pa.array(part).dictionary_encode(), "item": pa.array([1, 2])})
        for part in parts
    ]
    want = [(user, item) for part in parts for user, item in zip(part, "12", strict=True)]
    for deltas in (False, True):
        sink = io.BytesIO()
        options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=deltas)
        with pa.ipc.new_stream(sink, batches[0].schema, options=options) as writer:
            for one in batches:
                writer.write_batch(one)
        assert read(path, sink.getvalue()) == want
        assert read(path, sink.getvalue()[:-8]) == want
    feather.write_feather(FRAME.to_arrow(), path, chunksize=700)
    assert read_log(path, DataConfig()).frame.rows() == WANT


def test_problems_have_the_number_of_the_row(tmp_path: Path) -> None:
    users = [None if row in (5, 2500) else "u" for row in range(1, 3001)]
    content = arrow(pl.DataFrame({"user": users, "item": ["i"] * 3000}), batch=1000)
    with pytest.raises(
        BadRowsError, match="2 problems in the log, the first in row 5, column user"
    ) as caught:
        read(tmp_path / "log", content)
    assert [problem.line for problem in caught.value.problems] == [5, 2500]


def test_the_head_of_a_stream_may_be_cut(tmp_path: Path) -> None:
    content = arrow(FRAME.select(pl.col("item").alias("user"), "item", "ts"), stream=True, batch=500)
    path = tmp_path / "log.arrow"
    path.write_bytes(content[: len(content) * 2 // 3])
    frame = read_log(path, DataConfig(), head_bytes=20_000).frame
    assert frame.height >= 500
    assert frame.rows() == [(item, item, time) for _, item, time in WANT[: frame.height]]
    with pytest.raises(UnreadableLogError, match="truncated"):
        read_log(path, DataConfig())


def test_batches_of_a_stream_are_read_a_few_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_sizes: list[int] = []
    whole = pl.read_ipc_stream

    def watched(source: io.BytesIO, **options: Any) -> pl.DataFrame:
        read_sizes.append(len(source.getvalue()))
        return whole(source, **options)

    monkeypatch.setattr(pl, "read_ipc_stream", watched)
    frame = pl.DataFrame({"user": np.arange(4_000_000), "item": np.arange(4_000_000)})
    path = tmp_path / "log"
    path.write_bytes(arrow(frame, stream=True, batch=100_000))
    assert len(read_log(path, DataConfig())) == 4_000_000
    assert max(read_sizes) < 20 << 20 < path.stat().st_size


def lying(content: bytes, place: int, value: int) -> bytes:
    """The batch of the file with another claimed size of the first compressed buffer."""
    changed = bytearray(content)
    struct.pack_into("<q", changed, place, value)
    return bytes(changed)


def test_sizes_that_are_claimed_are_looked_at_first(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user": ["u" * 100_000], "item": ["i"]})
    path = tmp_path / "log"
    for stream in (False, True):
        content = arrow(frame, compression="zstd", stream=stream)
        place = content.index(struct.pack("<q", 100_000) + b"\x28\xb5\x2f\xfd")
        with pytest.raises(LogTooLargeError, match="more than 268,435,456 bytes when decompressed"):
            read(path, lying(content, place, 1 << 40))
        for size in (0, 99_999, 100_001, 1 << 26):
            with pytest.raises(InvalidLogError):
                read(path, lying(content, place, size))
    rows = pl.DataFrame({"user": [1] * 100_000, "item": [2] * 100_000})
    path.write_bytes(arrow(rows))
    with pytest.raises(LogTooLargeError, match="at least 3,200,000 bytes of memory"):
        read_log(path, DataConfig(), limits=Limits(log_bytes=3_000_000))
    path.write_bytes(arrow(pl.DataFrame({f"c{n}": [1] for n in range(1001)}), stream=True))
    with pytest.raises(UnreadableLogError, match="1,001 columns; expected at most 1,000"):
        read_log(path, DataConfig())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"ARROW1\0\0", "no footer"),
        (b"ARROW1\0\0" + bytes(100), "no footer"),
        (b"\xff\xff\xff\xff" + bytes(100), "no schema"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f" + bytes(100), "head of a message has 2,147,483,647 bytes"),
        (b"\xff\xff\xff\xff\x10\0\0\0" + b"\xff" * 100, "(place outside|truncated)"),
        (arrow()[:-1], "no footer"),
        (arrow(stream=True)[:-100], "truncated"),
        (b"FEA1" + bytes(100), "Feather file of version 1; write it as version 2"),
        (gzip.compress(arrow()), "a file of Arrow IPC must not be compressed by gzip"),
    ],
)
def test_files_that_are_damaged(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(UnreadableLogError, match=said):
        read(tmp_path / "log", content)


def test_names_and_specs_of_another_format(tmp_path: Path) -> None:
    with pytest.raises(
        UnreadableLogError, match="data.format is csv, but the file is Arrow IPC".replace(".", "[.]")
    ):
        read(tmp_path / "log", arrow(), format="csv")
    with pytest.raises(
        UnreadableLogError, match="'log.feather', but the file is not Arrow IPC".replace(".", "[.]")
    ):
        read(tmp_path / "log.feather", b"user,item\na,b\n")
    with pytest.raises(
        UnreadableLogError, match=r"data\.header is for CSV, TSV and .inter, but the log is Arrow"
    ):
        read(tmp_path / "log", arrow(), header=["a", "b"])


@pytest.mark.parametrize("stream", [False, True])
def test_damage_anywhere_is_an_error_of_the_log_or_changes_values_alone(tmp_path: Path, stream: bool) -> None:
    generator = random.Random(stream)
    content = arrow(FRAME.head(50), stream=stream, compression="lz4", batch=20)
    path = tmp_path / "log"
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(generator.randint(1, 4)):
            damaged[generator.randrange(8, len(damaged))] = generator.choice([0, 1, 127, 128, 255])
        path.write_bytes(damaged[: generator.choice([len(damaged), generator.randrange(8, len(damaged))])])
        try:
            log = read_log(path, DataConfig())
        except InvalidLogError:
            continue
        assert log.frame.columns[:2] == ["user", "item"]
