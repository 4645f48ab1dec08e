"""Clients that submit, poll and stream at once, and what each request took."""

import asyncio
import json
import random
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

LOG = "user_id,item_id,timestamp\n" + "".join(
    f"u{user},i{(user + step) % 17},{step}\n" for user in range(20) for step in range(8)
)
"""A log that is valid, and small: what is measured is the service, not the validation."""
PATIENCE = 60.0
"""Seconds after which a request counts as an error."""


@dataclass
class Load:
    """What came of a number of clients."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Of every request, by route; of a stream, until its first event."""
    errors: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    """Jobs that the service promised to run."""
    streamed: list[str] = field(default_factory=list)
    """Jobs whose last event came through a stream."""

    @asynccontextmanager
    async def timed(self, route: str) -> AsyncIterator[None]:
        """Write down how long the block took, or why it failed."""
        started = time.perf_counter()
        try:
            yield
        except httpx.HTTPError as error:
            self.errors.append(f"{route}: {error!r} after {time.perf_counter() - started:.1f} s")
        else:
            self.seconds[route].append(time.perf_counter() - started)

    def rows(self) -> dict[str, dict[str, float]]:
        """Requests, and median and 99th percentile of their seconds, by route; ready for JSON."""
        return {
            route: {
                "requests": len(seconds),
                "p50": statistics.median(seconds),
                "p99": statistics.quantiles(seconds, n=100)[98] if len(seconds) > 1 else seconds[0],
            }
            for route, seconds in sorted(self.seconds.items())
        }


async def run_load(url: str, *, clients: int, seconds: float, pause: float) -> Load:
    """Let so many clients work for so long, each with a `pause` of so many seconds between two requests, on average.

    A client submits a job, follows it by its stream of events and by polling at once, lists jobs, and begins anew when
    the job has ended.
    """
    load = Load()
    until = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(_client(url, load, random.Random(number), until, pause))
    return load


async def _client(url: str, load: Load, draw: random.Random, until: float, pause: float) -> None:
    await asyncio.sleep(draw.uniform(0, pause))
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE, limits=limits, verify=False) as client:
        while time.monotonic() < until:
            job_id = await _submit(client, load, seed=draw.getrandbits(31))
            if job_id is None:
                continue
            stream = asyncio.create_task(_stream(client, load, job_id))
            while not stream.done() and time.monotonic() < until:
                await asyncio.sleep(draw.uniform(0, 2 * pause))
                await _get(client, load, "GET /jobs/{id}", f"/jobs/{job_id}")
                await asyncio.sleep(draw.uniform(0, 2 * pause))
                await _get(client, load, "GET /jobs", "/jobs?limit=20")
            await stream


async def _submit(client: httpx.AsyncClient, load: Load, *, seed: int) -> str | None:
    files, data = {"dataset": ("log.csv", LOG.encode())}, {"spec": json.dumps({"seed": seed})}
    async with load.timed("POST /jobs"):
        response = await client.post("/jobs", files=files, data=data)
        response.raise_for_status()
        job_id: str = response.json()["id"]
        load.accepted.append(job_id)
        return job_id
    return None


async def _get(client: httpx.AsyncClient, load: Load, route: str, path: str) -> None:
    async with load.timed(route):
        (await client.get(path)).raise_for_status()


async def _stream(client: httpx.AsyncClient, load: Load, job_id: str) -> None:
    """Read the events to the last one, which names the state that the job ended in."""
    route, headers = "GET /jobs/{id}/events (stream)", {"Accept": "text/event-stream"}
    started, answered = time.perf_counter(), False
    try:
        async with client.stream("GET", f"/jobs/{job_id}/events", headers=headers) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                if not answered:
                    load.seconds[route].append(time.perf_counter() - started)
                    answered = True
                if line.startswith("event: succeeded"):
                    load.streamed.append(job_id)
    except httpx.HTTPError as error:
        load.errors.append(f"{route}: {error!r} after {time.perf_counter() - started:.1f} s")


def lost(url: str, job_ids: list[str]) -> list[str]:
    """Wait until no job waits or runs any more, and name the accepted ones that did not succeed."""
    ended: dict[str, Any] = {}
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:
        for job_id in job_ids:
            while (job := client.get(f"/jobs/{job_id}").raise_for_status().json())["finished_at"] is None:
                time.sleep(0.2)
            ended[job_id] = job["state"]
    return [job_id for job_id, state in ended.items() if state != "succeeded"]
