from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from api.errors import StorageError
from api.storage import Storage, open_storage
from tests.support.servers.s3 import S3Server


@pytest.fixture
def prefix(bucket_url: str) -> str:
    return urlsplit(bucket_url).path.lstrip("/")


@pytest.fixture
def storage(bucket_url: str) -> Storage:
    return open_storage(bucket_url)


def unfinished(server: S3Server, prefix: str) -> list[str]:
    uploads = server.client.list_multipart_uploads(Bucket=server.bucket, Prefix=prefix).get("Uploads", [])
    return [upload["Key"] for upload in uploads]


def test_every_part_carries_its_checksum(
    s3_server: S3Server, prefix: str, storage: Storage, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(bytes(17 << 20))
    storage.put_file("k", tmp_path / "file")
    head = s3_server.client.head_object(Bucket=s3_server.bucket, Key=f"{prefix}/k", ChecksumMode="ENABLED")
    assert head["ChecksumType"] == "COMPOSITE"
    assert head["ChecksumSHA256"].endswith("-3")


def test_an_upload_whose_source_fails_is_aborted(
    s3_server: S3Server, prefix: str, storage: Storage, tmp_path: Path
) -> None:
    """Several parts are on their way when the hash of the whole turns out to be wrong."""
    (tmp_path / "file").write_bytes(bytes(25 << 20))
    with pytest.raises(StorageError, match="expected"):
        storage.put_file("k", tmp_path / "file", sha256="0" * 64)
    assert unfinished(s3_server, prefix) == []


def test_uploads_that_a_killed_process_left_are_aborted_when_old(
    s3_server: S3Server, prefix: str, storage: Storage
) -> None:
    """Only those below our own prefix."""
    client = s3_server.client
    for key in (f"{prefix}/left", f"{prefix}-of-others/left"):
        client.create_multipart_upload(Bucket=s3_server.bucket, Key=key)
    assert storage.clear_unfinished(before=datetime.now(UTC) - timedelta(hours=1)) == 0
    assert storage.clear_unfinished(before=datetime.now(UTC) + timedelta(hours=1)) == 1
    assert unfinished(s3_server, prefix) == [f"{prefix}-of-others/left"]


def test_a_signed_url_lets_anyone_read_for_a_while(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    storage.put_file("k", tmp_path / "file")
    url = storage.signed_url("k", lasting=timedelta(minutes=1))
    assert url is not None
    assert httpx.get(url).content == b"abc"
    assert httpx.get(url, headers={"Range": "bytes=1-"}).content == b"bc"
    assert httpx.put(url, content=b"other").status_code == 403
    assert httpx.get(url.partition("?")[0]).status_code == 403
    expired = url.replace("X-Amz-Expires=60", "X-Amz-Expires=600")
    assert httpx.get(expired).status_code == 403


def test_a_bucket_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "x",
    }.items():
        monkeypatch.setenv(name, value)
    storage = open_storage("s3://bucket/prefix")
    with pytest.raises(StorageError, match="could not be looked up"):
        storage.exists("k")


def test_clients_do_not_read_what_the_bucket_says(refusing_bucket_url: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    storage = open_storage(refusing_bucket_url)
    for work, message in (
        (lambda: storage.put_file("k", tmp_path / "file"), "k could not be stored: PermissionDeniedError"),
        (lambda: storage.read("k", start=0, end=1), "k could not be read: PermissionDeniedError"),
        (lambda: list(storage.list()), "the storage could not be listed: GenericError"),
        (
            lambda: storage.clear_unfinished(before=datetime.now(UTC)),
            "unfinished uploads could not be cleared: ClientError",
        ),
    ):
        with pytest.raises(StorageError) as raised:
            work()
        assert str(raised.value) == message
        assert "SignatureDoesNotMatch" in str(raised.value.__cause__)


def test_an_object_that_is_not_there_is_said_so_in_a_word(storage: Storage) -> None:
    """What obstore raises then has no number of the system's, but the whole answer."""
    with pytest.raises(StorageError) as raised:
        storage.read("k", start=0, end=1)
    assert str(raised.value) == "k could not be read: FileNotFoundError"


@pytest.mark.usefixtures("bucket_url")
def test_a_bucket_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    nowhere = open_storage("s3://td3-no-such-bucket")
    with pytest.raises(StorageError, match="could not be stored"):
        nowhere.put_file("k", tmp_path / "file")
    with pytest.raises(StorageError, match="could not be cleared"):
        nowhere.clear_unfinished(before=datetime.now(UTC))
