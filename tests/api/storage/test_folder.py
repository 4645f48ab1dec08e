import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.errors import StorageError, StorageFullError
from api.storage.folder import UNFINISHED, FolderStorage
from tests.support.small_disk import small_disk
from tests.support.waiting import wait_until


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    return path


def test_nobody_sees_a_copy_in_the_making(tmp_path: Path) -> None:
    """The source is a pipe, so that the copy cannot end before the other side closes it."""
    storage = FolderStorage(tmp_path / "storage")
    os.mkfifo(tmp_path / "pipe")
    seen: list[str] = []

    def feed() -> None:
        with (tmp_path / "pipe").open("wb") as pipe:
            wait_until(lambda: any((tmp_path / "storage" / UNFINISHED).iterdir()))
            seen.extend(entry.key for entry in storage.list())
            pipe.write(b"x" * 1000)

    feeder = threading.Thread(target=feed)
    feeder.start()
    storage.put_file("k", tmp_path / "pipe")
    feeder.join()
    assert seen == []
    assert [(entry.key, entry.bytes) for entry in storage.list()] == [("k", 1000)]


def test_copies_that_a_killed_process_left_are_cleared_when_old(tmp_path: Path, file: Path) -> None:
    storage = FolderStorage(tmp_path / "storage")
    left = tmp_path / "storage" / UNFINISHED / "0123"
    left.write_bytes(b"half")
    assert list(storage.list()) == []
    assert storage.clear_unfinished(before=datetime.now(UTC) - timedelta(hours=1)) == 0
    assert left.exists()
    assert storage.clear_unfinished(before=datetime.now(UTC) + timedelta(hours=1)) == 1
    assert not left.exists()


def test_a_full_disk_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", bytes_=2 << 20) as disk:
        storage = FolderStorage(disk / "storage")
        for size, name in ((1 << 20, "fits"), (4 << 20, "too large")):
            with (tmp_path / name).open("wb") as file:
                file.truncate(size)
        storage.put_file("k/fits", tmp_path / "fits")
        with pytest.raises(StorageFullError, match=r"too large could not be stored: .*No space left"):
            storage.put_file("k/too large", tmp_path / "too large")
        assert [entry.key for entry in storage.list()] == ["k/fits"]
        assert list((disk / "storage" / UNFINISHED).iterdir()) == []
        storage.delete("k/fits")
        storage.put_file("k/fits", tmp_path / "fits")  # there is space again


def test_a_download_that_fills_the_disk_leaves_nothing(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "storage")
    with (tmp_path / "file").open("wb") as file:
        file.truncate(4 << 20)
    storage.put_file("k", tmp_path / "file")
    with small_disk(tmp_path / "disk", bytes_=2 << 20) as disk:
        with pytest.raises(StorageFullError, match="k could not be fetched"):
            storage.download("k", disk / "copy")
        assert list(disk.iterdir()) == []


def test_a_folder_that_is_no_folder(tmp_path: Path, file: Path) -> None:
    storage = FolderStorage(tmp_path / "storage")
    storage.put_file("k", file)
    with pytest.raises(StorageError, match="k/below could not be stored"):
        storage.put_file("k/below", file)
    assert list((tmp_path / "storage" / UNFINISHED).iterdir()) == []
