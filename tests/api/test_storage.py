import hashlib
import tracemalloc
from pathlib import Path

import pytest

from api.errors import SettingsError, StorageError
from api.storage import Storage, open_storage

CONTENT = bytes(range(256)) * 40_000  # 10 MB, more than one part


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a folder with spaces"


@pytest.fixture
def storage(folder: Path) -> Storage:
    return open_storage(folder.as_uri())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


def test_what_is_put_comes_back(storage: Storage, file: Path, folder: Path, tmp_path: Path) -> None:
    assert not storage.exists("t/logs/abc")
    storage.put_file("t/logs/abc", file)
    assert storage.exists("t/logs/abc")
    storage.download("t/logs/abc", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT
    assert [str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()] == ["t/logs/abc"]
    storage.put_file("t/logs/abc", file)  # the same again is fine
    storage.delete("t/logs/abc")
    assert not storage.exists("t/logs/abc")
    storage.delete("t/logs/abc")


@pytest.mark.parametrize(("start", "end"), [(0, 1), (5, 3_000_000), (len(CONTENT) - 1, len(CONTENT))])
def test_a_range(storage: Storage, file: Path, start: int, end: int) -> None:
    storage.put_file("k", file)
    assert b"".join(storage.read("k", start=start, end=end)) == CONTENT[start:end]


def test_reading_takes_constant_memory(storage: Storage, tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(200 * 2**20)
    storage.put_file("large", large)
    digest = hashlib.sha256()
    tracemalloc.start()
    for chunk in storage.read("large", start=0, end=200 * 2**20):
        digest.update(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * 2**20
    with large.open("rb") as file:
        assert digest.digest() == hashlib.file_digest(file, "sha256").digest()


def test_what_is_missing_is_a_named_error(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nothing"):
        storage.read("nothing", start=0, end=1)
    with pytest.raises(StorageError, match="nothing"):
        storage.download("nothing", tmp_path / "copy")
    with pytest.raises(StorageError, match="nothing"):
        storage.put_file("nothing", tmp_path / "no such file")


@pytest.mark.parametrize("url", ["ftp://host/x", "/just/a/path", "memory:///", ""])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="TD3_STORAGE_URL"):
        open_storage(url)


def test_a_bucket_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT": "http://127.0.0.1:1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "x",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StorageError, match="could not be looked up"):
        open_storage("s3://bucket/prefix").exists("k")
