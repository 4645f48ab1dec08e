"""`python -m benchmarks.service.hostile`: what hostile clients can do to the API of a real service on loopback.

While each attack lasts, the memory of the API and the time in which it answers `/healthz` are sampled.
"""

import json
import math
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Annotated, Any

import httpx
import polars as pl
import psutil
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import surroundings
from benchmarks.service.load import LOG
from embedded.service import running_service

EVERY = 0.1
"""Seconds between two samples."""
MOST_MEMORY = 1 << 30
LONGEST_ANSWER = 1.0
"""Bytes of the API, and seconds of `/healthz`, above which the service has failed."""
MAX_UPLOAD = 300 << 20
PATIENCE = 180.0
FORM = b'--x\r\nContent-Disposition: form-data; name="dataset"; filename="log.csv"\r\n\r\n'
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}
HEAD = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
console = Console(soft_wrap=True, highlight=False)


@dataclass
class Samples:
    """What was seen of the API during an attack."""

    api_bytes: int = 0
    child_bytes: int = 0
    """Of its largest child, such as a validation."""
    health_seconds: float = 0.0
    count: int = 0


class Watch:
    """Samples in a thread of its own until the block ends."""

    def __init__(self, url: str, pid: int) -> None:
        self.samples = Samples()
        self._url = url
        self._api = psutil.Process(pid)
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=each) for each in (self._health, self._memory)]

    def __enter__(self) -> Samples:
        for thread in self._threads:
            thread.start()
        return self.samples

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _health(self) -> None:
        with httpx.Client(base_url=self._url, timeout=PATIENCE, trust_env=False) as client:
            while not self._ended.wait(EVERY):
                started = time.perf_counter()
                try:
                    client.get("/healthz", headers={"Connection": "close"}).raise_for_status()
                    took = time.perf_counter() - started
                except httpx.HTTPError:
                    took = math.inf
                self.samples.health_seconds = max(self.samples.health_seconds, took)
                self.samples.count += 1

    def _memory(self) -> None:
        while not self._ended.wait(EVERY):
            self.samples.api_bytes = max(self.samples.api_bytes, self._api.memory_info().rss)
            for child in self._api.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    self.samples.child_bytes = max(self.samples.child_bytes, child.memory_info().rss)


@dataclass
class Target:
    """The service that is attacked."""

    url: str
    folder: Path
    address: tuple[str, int] = field(init=False)

    def __post_init__(self) -> None:
        url = httpx.URL(self.url)
        self.address = (url.host, url.port or 80)

    def request(self, method: str, path: str, **options: Any) -> str:
        """Status and code of the answer."""
        with httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False) as client:
            response = client.request(method, path, **options)
        return f"{response.status_code} {response.json().get('code', '')}".strip()

    def upload(self, log: bytes | Path, *, name: str = "log.csv", spec: str = "{}") -> str:
        """Submit a log."""
        content = log.read_bytes() if isinstance(log, Path) else log
        return self.request("POST", "/v1/jobs", files={"dataset": (name, content)}, data={"spec": spec})

    def stream(self, head: bytes, pieces: Iterator[bytes], *, seconds: float = PATIENCE) -> str:
        """Send the pieces until the connection is closed; return the status, and how much was sent."""
        sent, status, until = 0, b"", time.monotonic() + seconds
        with closing(socket.create_connection(self.address, timeout=PATIENCE)) as client:
            client.sendall(head)
            client.settimeout(0.5)
            with suppress(ConnectionError):
                for piece in pieces:
                    with suppress(TimeoutError):
                        client.sendall(piece)
                    sent += len(piece)
                    if time.monotonic() > until:
                        break
            with suppress(ConnectionError, TimeoutError):
                status = client.recv(2**16)[9:12]
        return f"{status.decode() or 'closed'} after {sent / 2**20:,.0f} MiB"


def bad_rows(size: int) -> bytes:
    """A log of which no row has the right number of fields."""
    return b"user_id,item_id,timestamp\n" + b"u\n" * (size // 2)


def commas(target: Target) -> str:
    """A header of 15 million commas."""
    return target.upload(b"," * 15_000_000 + b"\n1,2,3\n")


def bad_uploads(size: int, count: int) -> Callable[[Target], str]:
    """Logs of nothing but bad rows, with a good log beside them."""

    def attack(target: Target) -> str:
        log = bad_rows(size)
        with ThreadPoolExecutor(count + 1) as pool:
            bad = [pool.submit(target.upload, log) for _ in range(count)]
            time.sleep(0.2)
            started = time.perf_counter()
            good = target.upload(LOG.encode(), spec=json.dumps({"seed": size % 2**31}))
            took = time.perf_counter() - started
            answers = {each.result() for each in bad}
        return f"{', '.join(sorted(answers))}; the good one {good} in {took:.1f} s"

    return attack


def long_value(target: Target) -> str:
    """A Parquet file of 41 MB: one row group of 100,000 rows, whose users are one value of a dictionary."""
    path = target.folder / "long.parquet"
    users = pl.Series([0] * 100_000, dtype=pl.UInt32).cat.to(pl.Enum(["x" * (40 << 20)]))
    frame = pl.DataFrame({"user": users, "item": range(100_000)})
    frame.write_parquet(path, row_group_size=100_000, compression="uncompressed")
    return target.upload(path, name="log.parquet")


def digits(target: Target) -> str:
    """A number of 4,301 digits in the spec."""
    return target.upload(LOG.encode(), spec=f'{{"seed": {"1" * 4301}}}')


def large_trend(target: Target) -> str:
    """An evaluation of 400 million trainings, of a job that exists."""
    with httpx.Client(base_url=target.url, trust_env=False) as client:
        job_id = client.get("/v1/jobs").json()["items"][0]["id"]
    lists = {"layers": [1] * 100, "inner_sizes": [8] * 100, "embedding_sizes": [8] * 100, "seeds": 50}
    return target.request("POST", f"/v1/jobs/{job_id}/evaluations", json={"trend": lists})


def endless_log(target: Target) -> str:
    """A log in chunks that never ends."""
    piece = b"10000\r\n" + b"x" * 2**16 + b"\r\n"
    start = b"%x\r\n%b\r\n" % (len(FORM), FORM)
    return target.stream(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + start, repeat(piece))


def after_the_end(target: Target) -> str:
    """Bytes after the closing boundary."""
    start = FORM + LOG.encode() + b"\r\n--x--\r\n"
    length = b"Content-Length: %d\r\n\r\n" % (MAX_UPLOAD - 2**20)
    return target.stream(HEAD + length + start, repeat(bytes(2**16)))


def unneeded(target: Target) -> str:
    """A body that never ends, for a path that does not exist."""
    head = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    return target.stream(head, repeat(b"10000\r\n" + b"x" * 2**16 + b"\r\n"))


def tiny_chunks(target: Target) -> str:
    """Eight logs in chunks of one byte, for ten seconds."""
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(target.stream, head, repeat(b"1\r\nx\r\n" * 2000), seconds=10) for _ in range(8)]
        return ", ".join(sorted({each.result() for each in sent}))


def slow_heads(target: Target) -> str:
    """1,500 connections with half a head each, while others ask."""
    with ExitStack() as stack:
        for _ in range(1500):
            client = stack.enter_context(closing(socket.create_connection(target.address, timeout=PATIENCE)))
            client.sendall(b"GET /v1/jobs HTTP/1.1\r\nHost: ")
        return f"another request meanwhile: {target.request('GET', '/v1/jobs')}"


def foreign(target: Target) -> str:
    """A foreign `Host`, a foreign `Origin`, JSON as plain text, and a path with a slash too many."""
    ask = target.request
    return "; ".join(
        (
            ask("GET", "/v1/jobs", headers={"Host": "evil.example"}),
            ask("POST", "/v1/jobs", content=FORM, headers={**MULTIPART, "Origin": "http://evil.example"}),
            ask("POST", "/v1/jobs/job_0/evaluations", content="{}", headers={"Content-Type": "text/plain"}),
            ask("GET", "/v1/jobs/"),
        )
    )


ATTACKS: dict[str, Callable[[Target], str]] = {
    "header of 15 M commas": commas,
    "2 x 4 MiB of bad rows": bad_uploads(4 << 20, 2),
    "2 x 20 MiB of bad rows": bad_uploads(20 << 20, 2),
    "240 MiB of bad rows": bad_uploads(240 << 20, 1),
    "Parquet, a value of 40 MiB": long_value,
    "number of 4,301 digits": digits,
    "400 M trainings": large_trend,
    "endless log": endless_log,
    "bytes after the end": after_the_end,
    "endless body, unneeded": unneeded,
    "chunks of one byte": tiny_chunks,
    "1,500 half heads": slow_heads,
    "foreign Host, Origin, type, path": foreign,
}


def main(
    only: Annotated[str, typer.Option(help="Play only the attacks whose names have this in them.")] = "",
    output: Annotated[Path | None, typer.Option("--json", help="Write the figures here, too.")] = None,
) -> None:
    """Attack a service of its own; the exit code is 1 if it grew too large or became too slow."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("TD3_")}
    report: dict[str, Any] = {"benchmark": "hostile", **surroundings(threads=1), "attacks": {}}
    table = Table("attack", "answer", "s", "API MiB", "child MiB", "/healthz ms, worst")
    failed = False
    with (
        tempfile.TemporaryDirectory(prefix="td3-hostile-") as name,
        running_service(
            data_dir=Path(name) / "data",
            environment={**own, "TD3_MAX_UPLOAD_BYTES": str(MAX_UPLOAD)},
            access_control="off",  # the attacker has been let in
        ) as service,
    ):
        target, api = Target(service.url, Path(name)), service.children["api"].pid
        for attack, play in ((name, play) for name, play in ATTACKS.items() if only in name):
            started = time.perf_counter()
            with Watch(service.url, api) as samples:
                answer = play(target)
                time.sleep(3 * EVERY)
            seconds = time.perf_counter() - started
            service.check_alive()
            failed |= samples.api_bytes > MOST_MEMORY or samples.health_seconds > LONGEST_ANSWER
            report["attacks"][attack] = {"answer": answer, "seconds": seconds, **asdict(samples)}
            memory = (f"{held / 2**20:.0f}" for held in (samples.api_bytes, samples.child_bytes))
            table.add_row(attack, answer, f"{seconds:.1f}", *memory, f"{1e3 * samples.health_seconds:.0f}")
    report["load"] = os.getloadavg()[0]
    console.print(table)
    console.print(f"load {report['load']:.1f}")
    if output is not None:
        output.write_text(json.dumps(report, indent=2))
    sys.exit(failed)


if __name__ == "__main__":
    typer.run(main)
