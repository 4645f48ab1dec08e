import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, update

from api.db import Database, now
from api.errors import KeyInUseError
from api.idempotency import keys
from api.idempotency.keys import Answer, Answered, Held
from api.models import Evaluation, IdempotencyKey, Job
from api.settings import Settings
from td3core.config import JobSpec, OuterConfig
from tests.support.interaction_logs import LOG
from tests.support.jobs import count
from tests.support.keepers import brisk, keepers
from tests.support.problems import problem
from tests.support.submissions import submit
from tests.support.waiting import wait_until

NAME = ("tenant", "POST /jobs", "k1")
ANSWER = Answer(202, "/jobs/job_1", {"id": "job_1"})


def rows(database: Database) -> list[IdempotencyKey]:
    with database.reading() as session:
        return list(session.scalars(select(IdempotencyKey)))


def expire(database: Database) -> None:
    with database.transaction() as session:
        session.execute(update(IdempotencyKey).values(expires_at=now(session) - timedelta(seconds=1)))


def answer(database: Database, held: Held) -> None:
    with database.transaction() as session:
        keys.keep(session, held, ANSWER, request="r", lifetime=timedelta(hours=1))


def taken(database: Database) -> Held:
    held = keys.acquire(database, *NAME)
    assert isinstance(held, Held)
    return held


def test_the_same_request_again_gets_the_same_answer(api: httpx.Client, database: Database) -> None:
    first = submit(api, spec={"seed": 1}, key="k1")
    again = submit(api, spec={"seed": 1}, key="k1")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.content == again.content
    assert first.headers["location"] == again.headers["location"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert count(database, Job) == 1


def test_another_request_is_refused(api: httpx.Client, database: Database) -> None:
    submit(api, key="k1")
    for other in (
        submit(api, key="k1", spec={"seed": 1}),
        submit(api, LOG + "u1,i1,99\n", key="k1"),
        submit(api, key="k1", force=True),
    ):
        problem(other, 422, "idempotency_key_reused")
    assert count(database, Job) == 1


def test_evaluations_have_keys_of_their_own(api: httpx.Client, database: Database, finished_job: str) -> None:
    url, headers = f"/jobs/{finished_job}/evaluations", {"Idempotency-Key": "k1"}
    assert submit(api, key="k1").status_code == 202
    first = api.post(url, json={"seeds": 2}, headers=headers)
    again = api.post(url, json={"seeds": 2}, headers=headers)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert first.status_code == 202
    assert first.headers["location"] == again.headers["location"]
    problem(api.post(url, json={"seeds": 3}, headers=headers), 422, "idempotency_key_reused")
    assert count(database, Evaluation) == 1
    assert api.post(url, json={"seeds": 2}).json()["id"] != first.json()["id"]


def test_a_request_that_failed_leaves_its_key_free(
    api: httpx.Client, database: Database, queued_job: str
) -> None:
    problem(submit(api, "who,what", key="k1"), 422, "missing_column")
    problem(submit(api, spec={"seed": -1.5}, key="k1"), 422, "invalid_spec")
    headers = {"Idempotency-Key": "k1"}
    problem(api.post(f"/jobs/{queued_job}/evaluations", headers=headers), 409, "job_not_finished")
    assert rows(database) == []
    assert submit(api, key="k1").status_code == 202


def test_a_request_under_way_keeps_its_key_for_as_long_as_it_takes(
    api: httpx.Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.idempotency.guard.RENEW_SECONDS", 0.05)
    go_on = threading.Event()
    body = b'--x\r\nContent-Disposition: form-data; name="dataset"; filename="log.csv"\r\n\r\n'

    def slowly() -> Iterator[bytes]:
        yield body
        assert go_on.wait(60)
        yield LOG.encode() + b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x", "Idempotency-Key": "k1"}
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(lambda: api.post("/jobs", content=slowly(), headers=headers))
        wait_until(lambda: len(rows(database)) == 1)
        held_until = rows(database)[0].expires_at
        wait_until(lambda: rows(database)[0].expires_at > held_until)  # it is renewed
        busy = submit(api, key="k1")
        problem(busy, 409, "idempotency_key_in_use")
        assert busy.headers["retry-after"] == "2"
        go_on.set()
        first = slow.result()
    assert first.status_code == 202, first.text
    assert submit(api, key="k1").content == first.content
    assert count(database, Job) == 1


def test_a_request_is_the_same_where_a_later_version_has_another_default(
    api: httpx.Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = submit(api, spec={"seed": 3}, key="k1")

    class LaterSpec(JobSpec):
        outer: OuterConfig = OuterConfig(steps=7)

    monkeypatch.setattr("api.http.multipart.JobSpec", LaterSpec)
    again = submit(api, spec={"seed": 3}, key="k1")
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    problem(submit(api, spec={"seed": 4}, key="k1"), 422, "idempotency_key_reused")
    assert count(database, Job) == 1


def test_of_many_at_once_one_creates(api: httpx.Client, database: Database) -> None:
    together = threading.Barrier(8)

    def contend(_: int) -> httpx.Response:
        together.wait()
        return submit(api, key="k1", force=True)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(contend, range(8)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
    assert count(database, Job) == 1


def test_a_request_that_was_taken_for_dead_creates_nothing(database: Database) -> None:
    dead = taken(database)
    with pytest.raises(KeyInUseError):
        keys.acquire(database, *NAME)
    expire(database)
    alive = taken(database)
    with pytest.raises(KeyInUseError):
        answer(database, dead)
    keys.give_up(database, dead)
    answer(database, alive)
    assert keys.acquire(database, *NAME) == Answered("r", ANSWER)


def test_an_answer_outlives_its_request_and_not_its_time(database: Database) -> None:
    held = taken(database)
    answer(database, held)
    keys.give_up(database, held)
    keys.renew(database, held)
    assert isinstance(keys.acquire(database, *NAME), Answered)
    for other in (("other", *NAME[1:]), (NAME[0], "POST /x", NAME[2]), (*NAME[:2], "k2")):
        assert isinstance(keys.acquire(database, *other), Held)
    expire(database)
    assert isinstance(keys.acquire(database, *NAME), Held)


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_the_keeper_forgets_expired_keys(database: Database, settings: Settings) -> None:
    taken(database)
    expire(database)
    keys.acquire(database, "tenant", "POST /jobs", "k2")
    with keepers(brisk(settings)):
        wait_until(lambda: [row.key for row in rows(database)] == ["k2"])


@pytest.mark.parametrize("key", ["", "x" * 256])
@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_keys_that_cannot_be(api: httpx.Client, key: str) -> None:
    errors = problem(submit(api, key=key), 422, "invalid_request")["errors"]
    assert errors[0]["field"] == "Idempotency-Key"
