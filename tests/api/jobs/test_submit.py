import gzip
import hashlib
import json
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from sqlalchemy import select

from api.db import Database
from api.models import OutboxMessage
from api.queue import QUEUE
from api.settings import Settings
from td3core.config import JobSpec
from tests.support.interaction_logs import LOG, csv_log
from tests.support.live_api import running_api
from tests.support.problems import problem
from tests.support.submissions import nothing_left, submit
from tests.support.waiting import wait_until

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


def test_a_log_alone_is_enough(
    api: httpx.Client, database: Database, settings: Settings, broker: redis.Redis
) -> None:
    response = submit(api)
    assert response.status_code == 202, response.text
    job = response.json()
    assert response.headers["location"] == job["links"]["self"] == f"/jobs/{job['id']}"
    assert (job["state"], job["progress"], job["summary"], job["error"]) == ("queued", 0.0, None, None)
    assert job["spec"] == JobSpec.model_validate({}).model_dump(mode="json")
    sha256 = hashlib.sha256(LOG.encode()).hexdigest()
    assert job["dataset"]["name"] == "log.csv"
    assert (job["dataset"]["bytes"], job["dataset"]["sha256"]) == (len(LOG), sha256)
    assert (job["dataset"]["profile"]["users"], job["dataset"]["profile"]["interactions"]) == (30, 240)
    stored = [path for path in (settings.data_dir / "storage").rglob("*") if path.is_file()]
    assert [(path.name[:64], path.read_text()) for path in stored] == [(sha256, LOG)]
    assert list(settings.uploads_dir.iterdir()) == []
    assert (job.pop("deduplicated"), job.pop("webhook"), job.pop("queue")) == (False, None, None)
    assert job.pop("nearly_reached") == []
    read = api.get(response.headers["location"]).json()
    assert read.pop("queue")["position"] == 1
    assert read == job
    # One message of ids only was sent, after the commit.
    (message,) = broker.lrange(QUEUE, 0, -1)  # type: ignore[misc]
    assert json.loads(message)["headers"]["task"] == "td3.distil"
    with database.reading() as session:
        waiting = session.scalars(select(OutboxMessage)).one()
    assert (waiting.run_id, waiting.task, waiting.sends) == (job["id"], "td3.distil", 1)


def test_the_same_log_twice_is_stored_once(api: httpx.Client, settings: Settings) -> None:
    first, second = submit(api).json(), submit(api, force=True).json()
    assert first["id"] != second["id"]
    assert len([path for path in (settings.data_dir / "storage").rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize("as_file", [False, True])
@pytest.mark.parametrize("spec_first", [False, True])
def test_the_spec_as_field_or_file_before_or_after_the_log(
    api: httpx.Client, as_file: bool, spec_first: bool
) -> None:
    spec = json.dumps({"seed": 7, "summary": {"users": 5}})
    parts: list[Any] = [
        ("spec", ("spec.json", spec, "application/json") if as_file else (None, spec)),
        ("dataset", ("log.csv", LOG)),
    ]
    response = api.post("/jobs", files=parts if spec_first else parts[::-1])
    assert response.status_code == 202, response.text
    job = response.json()
    assert (job["spec"]["seed"], job["spec"]["summary"]["users"]) == (7, 5)


def test_a_compressed_log_and_a_path_as_name(api: httpx.Client) -> None:
    response = submit(api, gzip.compress(LOG.encode()), name="C:\\logs\\ratings.csv.gz")
    assert response.status_code == 202, response.text
    assert response.json()["dataset"]["name"] == "ratings.csv.gz"


def test_a_log_of_unknown_length(api: httpx.Client) -> None:
    """Sent in chunks, as a client does that makes it up on the way."""
    boundary = "x" * 30
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="dataset"; filename="a.csv"\r\n\r\n'
    body = f"{head}{LOG}\r\n--{boundary}--\r\n".encode()
    response = api.post(
        "/jobs",
        content=(body[i : i + 7] for i in range(0, len(body), 7)),
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    assert response.status_code == 202, response.text
    assert response.json()["dataset"]["sha256"] == hashlib.sha256(LOG.encode()).hexdigest()


@pytest.mark.parametrize(
    ("spec", "errors"),
    [
        (
            {"certificate": {"learner": 1}},
            [
                {
                    "field": "certificate.learner",
                    "got": 1,
                    "expected": "one of the fields learners; did you mean learners?",
                }
            ],
        ),
        (
            {"summary": {"rank_users": 99}},
            [
                {
                    "field": "summary.rank_users",
                    "got": 99,
                    "reason": "is too large: at most users = 60 is allowed",
                }
            ],
        ),
        (
            {"summary": {"rank": 8}},
            [{"field": "summary.rank", "got": 8, "reason": "needs kind farzi, but kind is tucker"}],
        ),
        (
            {"seed": False, "outer": {"lr": -1}},
            [
                {"field": "seed", "got": False, "expected": "an integer"},
                {"field": "outer.lr", "got": -1.0, "expected": "more than 0"},
            ],
        ),
        ("[1]", [{"field": "spec", "got": "[1]", "expected": "an object"}]),
    ],
)
def test_each_wrong_field_of_the_spec_is_named(
    api: httpx.Client, database: Database, settings: Settings, spec: Any, errors: list[dict[str, Any]]
) -> None:
    assert problem(submit(api, spec=spec), 422, "invalid_spec")["errors"] == errors
    assert nothing_left(settings, database)


def test_a_wrong_spec_is_refused_before_the_whole_log_has_come(
    api: httpx.Client, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.http.body.DRAIN_SECONDS", 0.1)
    begun = (
        b'--x\r\nContent-Disposition: form-data; name="spec"\r\n\r\n{"foo": 1}\r\n'
        b'--x\r\nContent-Disposition: form-data; name="dataset"; filename="a.csv"\r\n\r\n' + b"y" * 2**20
    )
    assert api.base_url.port
    with closing(HTTPConnection(api.base_url.host, api.base_url.port, timeout=10)) as connection:
        connection.putrequest("POST", "/jobs")
        connection.putheader("Content-Type", "multipart/form-data; boundary=x")
        connection.putheader("Content-Length", str(2 * len(begun)))
        connection.endheaders(begun)
        answer = connection.getresponse()
        assert (answer.status, json.load(answer)["code"]) == (422, "invalid_spec")
        assert answer.headers["Connection"] == "close"
    assert nothing_left(settings, database)


@pytest.mark.parametrize("spec", ["", "{", "nonsense"])
def test_a_spec_that_is_not_json(api: httpx.Client, spec: str) -> None:
    assert "JSON" in problem(submit(api, spec=spec), 422, "invalid_spec")["detail"]


@pytest.mark.parametrize(
    ("log", "code", "where"),
    [
        ("", "log_too_small", [{"field": "dataset"}]),
        ("user_id,item_id,timestamp\n", "log_too_small", [{"field": "dataset"}]),
        (csv_log(users=1), "log_too_small", [{"field": "dataset"}]),
        (csv_log(length=2), "log_too_small", [{"field": "dataset"}]),
        (
            csv_log(users=4, length=4),
            "log_too_small",
            [
                {"field": "data.min_user_interactions", "value": "5"},
                {"field": "data.min_item_interactions", "value": "5"},
            ],
        ),
        (LOG.replace("item_id", "colour"), "missing_column", [{"field": "data.columns.item"}]),
        (
            LOG.replace("timestamp", "user_id"),
            "missing_column",
            [{"field": "data.columns.user"}],
        ),
        ("PK\x03\x04", "unreadable_log", [{"field": "dataset"}]),
        (LOG + "just one field\n", "bad_rows", [{"line": LOG.count("\n") + 1, "value": "just one field"}]),
    ],
)
def test_a_log_that_cannot_be_used(
    api: httpx.Client,
    database: Database,
    settings: Settings,
    log: str,
    code: str,
    where: list[dict[str, Any]],
) -> None:
    body = problem(submit(api, log), 422, code)
    assert all(error.pop("reason") for error in body["errors"])
    assert (body["errors"], body["total_errors"]) == (where, len(where))
    assert nothing_left(settings, database)


def test_bad_rows_are_listed_by_line(api: httpx.Client) -> None:
    lines = LOG.splitlines()
    lines[4] = "u1,i1,yesterday"
    lines[9] = ",i1,3"
    body = problem(submit(api, "\n".join(lines)), 422, "bad_rows")
    assert [error["line"] for error in body["errors"]] == [5, 10]
    assert body["errors"][0]["value"] == "yesterday"
    assert body["errors"][0]["column"] == "timestamp"
    assert all(error["reason"] for error in body["errors"])
    assert body["total_errors"] == 2


def test_the_head_of_a_large_log_is_validated(
    api: httpx.Client, database: Database, settings: Settings
) -> None:
    log = csv_log(users=3000, length=40)
    assert settings.validate_whole_bytes < len(log) < settings.max_upload_bytes
    job = submit(api, log).json()
    assert job["state"] == "queued"
    assert job["dataset"]["profile"] is None
    bad = log.replace("\n", "\nno,3\n", 1)
    assert problem(submit(api, bad), 422, "bad_rows")["errors"][0]["line"] == 2


def test_only_the_head_of_a_small_file_with_a_large_log_is_validated(
    api: httpx.Client, settings: Settings
) -> None:
    log = gzip.compress(b"user,item\n" + b"a,b\n" * 40_000)
    assert len(log) < settings.validate_whole_bytes / 100
    job = submit(api, log, name="log.csv.gz").json()
    assert job["state"] == "queued"
    assert job["dataset"]["profile"] is None


def test_a_log_that_is_too_large_is_refused_before_it_is_sent(
    api: httpx.Client, database: Database, settings: Settings
) -> None:
    response = submit(api, b"x" * (settings.max_upload_bytes + 3 * 2**20))
    assert f"{int(settings.max_upload_bytes)} bytes" in problem(response, 413, "too_large")["detail"]
    assert nothing_left(settings, database)


def test_a_log_that_turns_out_too_large_is_refused(
    api: httpx.Client, database: Database, settings: Settings
) -> None:
    boundary = "x" * 30
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="dataset"; filename="a.csv"\r\n\r\n'.encode()
    )
    response = api.post(
        "/jobs",
        content=(head if i == 0 else b"x" * 2**16 for i in range(200)),
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    problem(response, 413, "too_large")
    assert nothing_left(settings, database)


def test_a_spec_that_is_too_large(api: httpx.Client) -> None:
    problem(submit(api, spec=" " * (2**20 + 1)), 413, "too_large")


@pytest.mark.parametrize(
    ("files", "detail"),
    [
        ([("spec", (None, "{}"))], "`dataset` is missing"),
        ([("dataset", ("a", LOG)), ("dataset", ("b", LOG))], "`dataset` is repeated"),
        ([("dataset", ("a", LOG)), ("spec", (None, "{}")), ("spec", (None, "{}"))], "`spec` is repeated"),
        ([("dataset", ("a", LOG)), ("data", ("b", "1"))], "The part 'data' is unknown"),
    ],
)
def test_wrong_parts(
    api: httpx.Client, database: Database, settings: Settings, files: Any, detail: str
) -> None:
    assert detail in problem(api.post("/jobs", files=files), 422, "invalid_request")["detail"]
    assert nothing_left(settings, database)


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b"{}", "application/json", 415, "unsupported_media_type"),
        (b"", "", 415, "unsupported_media_type"),
        (b"--x--\r\n", "multipart/form-data", 400, "bad_request"),
        (b"nonsense", "multipart/form-data; boundary=x", 400, "bad_request"),
        (b"", "multipart/form-data; boundary=x", 400, "bad_request"),
        (b"", f"multipart/form-data; boundary={'x' * 300}", 400, "bad_request"),
        (
            b'--x\r\nContent-Disposition: form-data; name="dataset"\r\n\r\nu,i',
            "multipart/form-data; boundary=x",
            400,
            "bad_request",
        ),
    ],
)
def test_wrong_bodies(api: httpx.Client, content: bytes, content_type: str, status: int, code: str) -> None:
    problem(api.post("/jobs", content=content, headers={"Content-Type": content_type}), status, code)


def test_a_client_that_goes_away_leaves_nothing(
    api: httpx.Client, database: Database, settings: Settings
) -> None:
    def half() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="dataset"; filename="a.csv"\r\n\r\n'
        for _ in range(30):
            yield b"y" * 2**16
        wait_until(lambda: any(settings.uploads_dir.glob("*/log")))
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        api.post("/jobs", content=half(), headers={"Content-Type": "multipart/form-data; boundary=x"})
    wait_until(lambda: nothing_left(settings, database))


def test_a_broker_that_is_down_costs_no_job(settings: Settings, database: Database) -> None:
    """The message stays in the outbox, for the keeper to send."""
    with running_api(settings.model_copy(update={"broker_url": "redis://127.0.0.1:1/0"})) as api:
        job = submit(api).json()
        assert job["state"] == "queued"
        body = problem(api.get("/readyz"), 503, "not_ready")
        assert body["errors"] == [{"check": "broker", "reason": "unavailable"}]
    with database.reading() as session:
        assert session.scalars(select(OutboxMessage)).one().sends == 0


def test_what_a_killed_server_left_is_cleared_at_the_next_start(settings: Settings, tmp_path: Path) -> None:
    left = settings.uploads_dir / "upload-abandoned"
    left.mkdir(parents=True)
    (left / "log").write_text("half")
    with running_api(settings):
        assert list(settings.uploads_dir.iterdir()) == []
