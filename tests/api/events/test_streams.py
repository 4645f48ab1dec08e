"""Streams of events from a real server, in this process and in one of its own that is stopped and killed."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from httpx_sse import ServerSentEvent, aconnect_sse, connect_sse
from sqlalchemy import make_url, text

from api.db import Database
from api.runs import claims, feed
from api.runs.claims import Claim
from api.runs.events import EventKind
from api.settings import Settings
from embedded.process import ChildProcess, free_port
from td3client import Client
from tests.support.claims import cancel, claimed, succeed
from tests.support.jobs import add_job
from tests.support.outages import closed_to_all
from tests.support.waiting import wait_until


def note(database: Database, held: Claim, **data: object) -> None:
    with database.transaction() as session:
        claims.record(session, held, EventKind.WARNING, **data)


def end(database: Database, held: Claim) -> None:
    with database.transaction() as session:
        claims.succeed(session, held, metrics={})


@contextmanager
def stream(api: httpx.Client, run_id: str, **headers: str) -> Iterator[Iterator[ServerSentEvent]]:
    with connect_sse(api, "GET", f"/jobs/{run_id}/events", headers=headers) as source:
        assert source.response.status_code == 200, source.response.read()
        yield source.iter_sse()


def ids(events: Iterator[ServerSentEvent]) -> list[int]:
    return [int(event.id) for event in events if event.data]


def test_a_stream_tells_what_was_and_what_comes_and_ends_with_the_run(
    api: httpx.Client, database: Database, queued_job: str
) -> None:
    held = claimed(database, queued_job)
    with stream(api, queued_job) as events:
        first = next(events)
        assert (first.id, first.event, first.json()["data"]) == ("1", "claimed", {"worker": "w1"})
        note(database, held, detail="é\n\n: x")
        second = next(events)
        assert (second.id, second.event, second.json()["data"]) == ("2", "warning", {"detail": "é\n\n: x"})
        assert second.json() == api.get(f"/jobs/{queued_job}/events").json()["items"][1]
        note(database, held)
        end(database, held)
        assert ids(events) == [3, 4]


def test_a_stream_goes_on_where_the_last_one_broke(
    api: httpx.Client, database: Database, queued_job: str
) -> None:
    succeed(database, queued_job)
    with stream(api, queued_job, **{"Last-Event-ID": "2"}) as events:
        assert ids(events) == [3]
    seen_all = api.get(
        f"/jobs/{queued_job}/events", headers={"Accept": "text/event-stream", "Last-Event-ID": "3"}
    )
    assert (seen_all.status_code, seen_all.content) == (204, b"")


def test_a_long_log_is_streamed_whole(
    api: httpx.Client, database: Database, queued_job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.events.routes.BATCH", 3)
    monkeypatch.setattr("api.runs.events.MOST_NEWS", 4)
    held = claimed(database, queued_job)
    for _ in range(20):
        note(database, held)
    end(database, held)
    with stream(api, queued_job) as events:
        assert ids(events) == list(range(1, 23))


def test_a_cancelled_queued_job_ends_its_stream(
    api: httpx.Client, database: Database, queued_job: str
) -> None:
    with stream(api, queued_job) as events:
        cancel(database, queued_job)
        assert [event.event for event in events] == ["cancelled"]


def test_silence_is_filled_with_pings(
    api: httpx.Client, queued_job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.05)
    headers = {"Accept": "text/event-stream"}
    with api.stream("GET", f"/jobs/{queued_job}/events", headers=headers) as response:
        assert next(response.iter_lines()) == ": ping"
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("migrated_url", ["postgres"], indirect=True)
def test_two_hundred_streams_share_one_connection(
    api: httpx.Client, database: Database, settings: Settings
) -> None:
    """Of one server process; half of them follow the same job."""
    with database.transaction() as session:
        jobs = [add_job(session).id for _ in range(101)]
    held = [claimed(database, job_id) for job_id in jobs]
    opened = threading.Barrier(2, timeout=60)

    async def follow(client: httpx.AsyncClient, job_id: str, ready: asyncio.Semaphore) -> list[int]:
        seen: list[int] = []
        async with aconnect_sse(client, "GET", f"/jobs/{job_id}/events", timeout=60) as source:
            async for event in source.aiter_sse():
                if not event.data:  # a ping
                    continue
                seen.append(int(event.id))
                if len(seen) == 1:
                    ready.release()
        return seen

    async def follow_all() -> list[list[int]]:
        limits = httpx.Limits(max_connections=None)
        ready = asyncio.Semaphore(0)
        async with httpx.AsyncClient(base_url=api.base_url, limits=limits) as client:
            followed = jobs[1:] + [jobs[0]] * 100
            tasks = [asyncio.create_task(follow(client, job_id, ready)) for job_id in followed]
            for _ in tasks:
                await ready.acquire()
            await asyncio.to_thread(opened.wait)
            return await asyncio.gather(*tasks)

    with ThreadPoolExecutor(1) as pool:
        streams = pool.submit(asyncio.run, follow_all())
        opened.wait()
        with database.reading() as session:
            others = "SELECT count(*) FROM pg_stat_activity WHERE datname = :name AND state <> 'idle'"
            name = make_url(settings.database_url).database
            busy = session.execute(text(others), {"name": name}).scalar_one()
        for claim in held:
            note(database, claim)
            end(database, claim)
        assert streams.result() == [[1, 2, 3]] * 200
    assert busy <= 2  # this question, and the one query for all streams


@pytest.mark.parametrize("migrated_url", ["postgres"], indirect=True)
def test_a_stream_outlives_an_outage_of_the_database(
    api: httpx.Client, database: Database, settings: Settings, queued_job: str
) -> None:
    held = claimed(database, queued_job)
    with stream(api, queued_job) as events:
        assert next(events).id == "1"
        with closed_to_all(settings.database_url):
            threading.Event().wait(3 * feed.POLL_SECONDS)
        note(database, held)
        assert next(events).id == "2"


class Server:
    """An API process that can be stopped, killed and started again on its port."""

    def __init__(self, settings: Settings, log: Path) -> None:
        own = {f"TD3_{name.upper()}": str(value) for name, value in settings.model_dump().items() if value}
        self.port = free_port()
        self._environment = (
            {k: v for k, v in os.environ.items() if not k.startswith("TD3_")}
            | own
            | {"TD3_PORT": str(self.port)}
        )
        self._log = log
        self.start()

    def start(self) -> None:
        self.process = ChildProcess(
            "api", [sys.executable, "-m", "api"], log=self._log, env=self._environment
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz").is_success
        except httpx.TransportError:
            self.process.check_alive()
            return False


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_a_client_follows_through_stops_and_kills_of_the_server(
    settings: Settings, database: Database, queued_job: str, tmp_path: Path
) -> None:
    held = claimed(database, queued_job)
    server = Server(settings, tmp_path / "api.log")
    seen: list[int] = []

    def follow() -> None:
        with Client(server.url) as client:
            for event in client.events(queued_job):
                seen.append(event["seq"])

    try:
        wait_until(server.answers, seconds=60)
        follower = threading.Thread(target=follow)
        follower.start()
        wait_until(lambda: seen == [1])
        os.kill(server.process.pid, signal.SIGTERM)  # with the stream open
        server.process.wait(30)
        assert "Cancel" not in server.process.log_tail()
        note(database, held)
        server.start()
        wait_until(lambda: seen == [1, 2], seconds=60)
        server.process.kill()
        note(database, held)
        server.start()
        wait_until(lambda: seen == [1, 2, 3], seconds=60)
        end(database, held)
        follower.join(30)
        assert seen == [1, 2, 3, 4]
    finally:
        server.process.stop(grace=10)
