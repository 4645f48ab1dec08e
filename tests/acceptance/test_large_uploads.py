"""Logs far larger than memory should notice: made up on the way, and measured in the process that takes them."""

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.storage import open_storage
from embedded.process import ChildProcess, free_port
from embedded.service import command
from tests.support.databases import migrate
from tests.support.interaction_logs import csv_log
from tests.support.submissions import submit
from tests.support.waiting import wait_until

log = logging.getLogger(__name__)

MIB = 2**20
PIECE = csv_log(users=900, length=80).partition("\n")[2].encode()
"""Rows, about a MiB of them, for a log that repeats them."""
HEAD = b"--x\r\nContent-Disposition: form-data; name=dataset; filename=log.csv\r\n\r\nuser_id,item_id,timestamp\n"
TAIL = b"\r\n--x--\r\n"
ROOM = 160 * MIB
"""The head that is validated, parts on their way to a bucket, and what the allocators keep."""


@pytest.fixture
def service(
    tmp_path: Path, sqlite_url: str, broker_url: str, storage_url: str
) -> Iterator[tuple[ChildProcess, httpx.Client]]:
    """The API in a process of its own."""
    migrate(sqlite_url)
    port = free_port()
    environment = os.environ | {
        "TD3_PORT": str(port),
        "TD3_DATA_DIR": str(tmp_path / "data"),
        "TD3_DATABASE_URL": sqlite_url,
        "TD3_BROKER_URL": broker_url,
        "TD3_STORAGE_URL": storage_url,
    }
    process = ChildProcess("api", command("api"), log=tmp_path / "api.log", env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=1800) as client:
            wait_until(lambda: answers(client), seconds=60)
            yield process, client
    finally:
        process.stop()
        shutil.rmtree(tmp_path)  # pytest would keep it for a while


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").is_success
    except httpx.TransportError:
        return False


def peak_memory(process: ChildProcess) -> int:
    """The most this process has ever had in memory, by the kernel's own count."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert match
    return int(match[1]) * 1024


@pytest.mark.acceptance
@pytest.mark.parametrize(
    ("storage_url", "size"),
    [
        pytest.param("folder", 300 * MIB, marks=pytest.mark.slow),
        pytest.param("folder", 5 * 1024 * MIB, marks=[pytest.mark.chaos, pytest.mark.timeout(1800)]),
        pytest.param("bucket", 5 * 1024 * MIB, marks=[pytest.mark.chaos, pytest.mark.timeout(1800)]),
    ],
    indirect=["storage_url"],
    ids=["folder-300MiB", "folder-5GiB", "bucket-5GiB"],
)
def test_a_large_log_is_taken_in_constant_memory(
    service: tuple[ChildProcess, httpx.Client],
    storage_url: str,
    size: int,
) -> None:
    process, client = service
    assert submit(client).status_code == 202  # loads what validation needs
    before = peak_memory(process)
    digest = hashlib.sha256(HEAD.rpartition(b"\r\n")[2])

    def body() -> Iterator[bytes]:
        yield HEAD
        for _ in range(size // len(PIECE)):
            digest.update(PIECE)
            yield PIECE
        yield TAIL

    response = client.post(
        "/jobs", content=body(), headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    grown = peak_memory(process) - before
    assert response.status_code == 202, response.text
    log.info(
        "%d MiB taken with %d MiB more memory than the %d MiB before",
        size // MIB,
        grown // MIB,
        before // MIB,
    )
    dataset = response.json()["dataset"]
    assert dataset["sha256"] == digest.hexdigest()
    assert grown < ROOM
    stored = {entry.bytes for entry in open_storage(storage_url).list()}
    assert dataset["bytes"] in stored
