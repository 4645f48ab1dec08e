"""Storage in an S3-compatible bucket, through obstore.

Large files are uploaded in parts, of which few are in memory; each part has its SHA-256, which the server checks, and
an upload is aborted if its source fails. Both libraries read credentials and `AWS_ENDPOINT_URL` from the environment.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import botocore.session
import obstore
from botocore.exceptions import BotoCoreError, ClientError
from obstore.exceptions import BaseError
from obstore.store import S3Store

from api.storage.base import CHUNK, StoredObject, checked, read_chunks, write_file
from api.storage.disk import naming_errors

PART = 8 << 20
PARTS_AT_ONCE = 2


class BucketStorage:
    """Objects below the prefix of `s3://bucket/prefix`."""

    def __init__(self, url: str) -> None:
        self._bucket = urlsplit(url).netloc
        self._store = S3Store.from_url(
            url,
            config={"checksum_algorithm": "SHA256"},
            # Reading a whole object may take long, but not reading a part of it.
            client_options={
                "allow_http": True,
                "connect_timeout": "5s",
                "read_timeout": "30s",
                "timeout": "6h",
            },
            retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=30)},
        )

    def put_file(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        """Upload the file, in parts if it is large; the object exists when the upload is complete."""
        with naming_errors(f"{key} could not be stored", BaseError):
            obstore.put(
                self._store,
                key,
                checked(read_chunks(path), key, sha256),
                use_multipart=path.stat().st_size > PART,
                chunk_size=PART,
                max_concurrency=PARTS_AT_ONCE,
            )

    def read(self, key: str, *, start: int, end: int) -> Iterator[bytes]:
        """Open the object at once, so that a missing object is an error before the response begins."""
        with naming_errors(f"{key} could not be read", BaseError):
            stream = obstore.get(self._store, key, options={"range": (start, end)}).stream(CHUNK)

        def chunks() -> Iterator[bytes]:
            with naming_errors(f"{key} could not be read", BaseError):
                for chunk in stream:
                    yield bytes(chunk)

        return chunks()

    def download(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        """Download the object to a file, chunk by chunk."""
        with naming_errors(f"{key} could not be fetched", BaseError):
            chunks = obstore.get(self._store, key).stream(CHUNK)
            write_file(checked(map(bytes, chunks), key, sha256), path)

    def exists(self, key: str) -> bool:
        """Query the metadata of the object."""
        with naming_errors(f"{key} could not be looked up", BaseError):
            try:
                obstore.head(self._store, key)
            except FileNotFoundError:
                return False
        return True

    def delete(self, key: str) -> None:
        """Delete the object."""
        with naming_errors(f"{key} could not be deleted", BaseError):
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                return

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """List the objects page by page."""
        with naming_errors(f"{prefix or 'the storage'} could not be listed", BaseError):
            for page in obstore.list(self._store, prefix or None, chunk_size=1000):
                for entry in page:
                    yield StoredObject(entry["path"], entry["size"], entry["last_modified"])

    def signed_url(self, key: str, *, lasting: timedelta) -> str | None:
        """Sign the URL with our credentials, for GET only."""
        with naming_errors(f"{key} could not be signed for", BaseError):
            return obstore.sign(self._store, "GET", key, lasting)

    def clear_unfinished(self, *, before: datetime) -> int:
        """Abort old multipart uploads below the prefix, with botocore because obstore does not support it."""
        cleared = 0
        with naming_errors("unfinished uploads could not be cleared", BotoCoreError, ClientError):
            client = botocore.session.get_session().create_client(
                "s3", region_name=os.environ.get("AWS_REGION")
            )
            pages = client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=f"{self._store.prefix}/" if self._store.prefix else ""
            )
            for upload in (upload for page in pages for upload in page.get("Uploads", ())):
                if upload["Initiated"] >= before:
                    continue
                with suppress(client.exceptions.NoSuchUpload):  # another keeper was faster
                    client.abort_multipart_upload(
                        Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                    )
                    cleared += 1
        return cleared
