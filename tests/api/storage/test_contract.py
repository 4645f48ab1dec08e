"""What a folder and a bucket both do."""

import hashlib
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.errors import DamagedObjectError, SettingsError, StorageError
from api.storage import Storage, open_storage

CONTENT = bytes(range(256)) * 70_000  # 18 MB, three parts
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LARGE = 64 * 2**20
ENOUGH = 24 * 2**20


@pytest.fixture
def storage(storage_url: str) -> Storage:
    return open_storage(storage_url)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


def keys(storage: Storage, prefix: str = "") -> list[str]:
    return sorted(entry.key for entry in storage.list(prefix))


def test_what_is_put_comes_back(storage: Storage, file: Path, tmp_path: Path) -> None:
    assert not storage.exists("t/logs/abc")
    storage.put_file("t/logs/abc", file, sha256=SHA256)
    assert storage.exists("t/logs/abc")
    storage.download("t/logs/abc", tmp_path / "copy", sha256=SHA256)
    assert (tmp_path / "copy").read_bytes() == CONTENT
    storage.put_file("t/logs/abc", file)  # the same again is fine
    assert keys(storage) == ["t/logs/abc"]
    storage.delete("t/logs/abc")
    assert not storage.exists("t/logs/abc")
    storage.delete("t/logs/abc")
    assert keys(storage) == []


@pytest.mark.parametrize("content", [b"", b"x"])
def test_small_files(storage: Storage, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "small").write_bytes(content)
    storage.put_file("k", tmp_path / "small", sha256=hashlib.sha256(content).hexdigest())
    storage.download("k", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == content


@pytest.mark.parametrize(("start", "end"), [(0, 1), (5, 3_000_000), (len(CONTENT) - 1, len(CONTENT))])
def test_a_range(storage: Storage, file: Path, start: int, end: int) -> None:
    storage.put_file("k", file)
    assert b"".join(storage.read("k", start=start, end=end)) == CONTENT[start:end]


def test_a_listing_of_whole_parts_with_sizes_and_ages(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"abc")
    for key in ("t/logs/1", "t/logs/2", "t/logs-too/3", "u/logs/4"):
        storage.put_file(key, tmp_path / "small")
    assert keys(storage) == ["t/logs-too/3", "t/logs/1", "t/logs/2", "u/logs/4"]
    assert keys(storage, "t/logs") == ["t/logs/1", "t/logs/2"]
    assert keys(storage, "t/nothing") == []
    (entry,) = storage.list("u")
    assert entry.bytes == 3
    assert abs(datetime.now(UTC) - entry.modified_at) < timedelta(minutes=1)


def test_what_is_not_what_was_meant_is_not_stored(storage: Storage, file: Path, tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"abc")
    for path in (file, tmp_path / "small"):
        with pytest.raises(DamagedObjectError, match=r"k .*expected SHA-256 0000"):
            storage.put_file("k", path, sha256="0" * 64)
        assert keys(storage) == []
        assert storage.clear_unfinished(before=datetime.now(UTC) + timedelta(days=1)) == 0


def test_what_was_damaged_is_not_read(storage: Storage, file: Path, tmp_path: Path) -> None:
    storage.put_file("k", file)
    with pytest.raises(DamagedObjectError, match="k is damaged: expected SHA-256"):
        storage.download("k", tmp_path / "copy", sha256="0" * 64)
    assert not (tmp_path / "copy").exists()


def test_a_file_that_cannot_be_read_leaves_nothing(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nothing"):
        storage.put_file("nothing", tmp_path / "no such file")
    assert keys(storage) == []


def test_large_files_take_constant_memory(storage: Storage, tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(LARGE)
    tracemalloc.start()
    storage.put_file("large", large)
    storage.download("large", tmp_path / "copy")
    size = sum(map(len, storage.read("large", start=0, end=LARGE)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (size, (tmp_path / "copy").stat().st_size) == (LARGE, LARGE)
    assert peak < ENOUGH


def test_what_is_missing_is_a_named_error(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nothing"):
        storage.read("nothing", start=0, end=1)
    with pytest.raises(StorageError, match="nothing"):
        storage.download("nothing", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("url", ["ftp://host/x", "/just/a/path", "memory:///", ""])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="TD3_STORAGE_URL"):
        open_storage(url)
