import json
from pathlib import Path

import pytest

from embedded.process import free_port
from td3client import (
    Client,
    ClientError,
    DamagedDownloadError,
    RunFailedError,
    ServiceProblem,
    UnreachableError,
)
from tests.support.scripted_jobs import ARCHIVE, SHA256, finished_job, job, partial
from tests.support.scripted_service import Answer, ScriptedService


def test_submit_sends_the_spec_before_the_log(scripted: ScriptedService, tmp_path: Path) -> None:
    log = tmp_path / "clicks.csv"
    log.write_bytes(b"user,item\n1,2\n")
    scripted.script["POST /v1/jobs"] = [job("queued")]
    with Client(scripted.url) as client:
        assert client.submit(log, {"summary": {"users": 30}})["state"] == "queued"
    body = scripted.requests[0].body
    assert body.index(b'name="spec"') < body.index(b'name="dataset"; filename="clicks.csv"')
    assert b'{"summary": {"users": 30}}' in body
    assert b"user,item\n1,2\n" in body


def test_submit_sends_a_webhook_before_the_log(scripted: ScriptedService, tmp_path: Path) -> None:
    log = tmp_path / "clicks.csv"
    log.write_bytes(b"user,item\n1,2\n")
    scripted.script["POST /v1/jobs"] = [job("queued")]
    with Client(scripted.url) as client:
        client.submit(log, webhook={"url": "https://hooks.example.com/"})
    body = scripted.requests[0].body
    assert body.index(b'{"url": "https://hooks.example.com/"}') < body.index(b'name="dataset"')
    assert b'name="webhook"' in body
    assert b'name="spec"' not in body


def test_a_deadline_of_zero_is_sent_for_the_service_to_refuse(
    scripted: ScriptedService, tmp_path: Path
) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user,item\n")
    refusal = Answer.json({"detail": "too short"}, status=422, content_type="application/problem+json")
    scripted.script = {"POST /v1/jobs?deadline_seconds=0": [refusal], "POST /v1/jobs": [job("queued")]}
    with Client(scripted.url) as client, pytest.raises(ServiceProblem, match="too short"):
        client.submit(log, deadline_seconds=0)


def test_a_problem_carries_its_fields_and_reads_well(scripted: ScriptedService, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user,item\n")
    problem = {
        "type": "about:blank",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "2 rows of the log cannot be used",
        "code": "bad_rows",
        "errors": [
            {"line": 3, "column": "timestamp", "value": "soon", "reason": "not a number"},
            {"field": "summary.users", "got": -1, "expected": "at least 1"},
            {"field": "dataset", "reason": "2 rows of the log cannot be used"},
        ],
    }
    scripted.script["POST /v1/jobs"] = [
        Answer.json(problem, status=422, content_type="application/problem+json; charset=utf-8")
    ]
    with Client(scripted.url) as client, pytest.raises(ServiceProblem) as raised:
        client.submit(log)
    assert raised.value.status == 422
    assert raised.value.code == "bad_rows"
    assert raised.value.errors[0]["line"] == 3
    assert str(raised.value).splitlines() == [
        "2 rows of the log cannot be used",
        "  line 3, column timestamp, got 'soon': not a number",
        "  field summary.users, got -1, expected at least 1",
    ]


def in_use() -> Answer:
    problem = {"detail": "in use", "code": "idempotency_key_in_use"}
    return Answer.json(problem, status=409, content_type="application/problem+json")


def test_a_submit_that_nobody_knows_about_is_sent_again_under_its_key(
    scripted: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("td3client.client.RETRY_PAUSE", 0.0)
    log = tmp_path / "clicks.csv"
    log.write_bytes(b"user,item\n1,2\n")
    answered = job("queued")
    scripted.script["POST /v1/jobs"] = [
        Answer(answered.body, 202, answered.headers, cut_after=3),
        in_use(),
        Answer(b"", 503),
        answered,
    ]
    with Client(scripted.url) as client:
        assert client.submit(log)["state"] == "queued"
        client.submit(log)
    keys = [request.headers["Idempotency-Key"] for request in scripted.requests]
    assert len(set(keys[:4])) == 1
    assert keys[4] != keys[0]
    assert all(b"user,item\n1,2\n" in request.body for request in scripted.requests)


def test_an_answer_that_is_no_problem_document_is_still_told(scripted: ScriptedService) -> None:
    scripted.script["GET /v1/jobs/job_1"] = [Answer(b"<h1>Bad Gateway</h1>", 502)]
    with (
        Client(scripted.url) as client,
        pytest.raises(ServiceProblem, match="HTTP 502: <h1>Bad Gateway</h1>"),
    ):
        client.job("job_1")


def test_nobody_there_is_unreachable() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with Client(url) as client, pytest.raises(UnreachableError, match=f"{url} is unreachable: .*refused"):
        client.job("job_1")


def test_wait_yields_until_success(scripted: ScriptedService) -> None:
    scripted.script["GET /v1/jobs/job_1"] = [job("queued"), job("running"), job("succeeded")]
    with Client(scripted.url) as client:
        states = [seen["state"] for seen in client.wait("job_1", poll=0)]
    assert states == ["queued", "running", "succeeded"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (job("failed", error={"code": "diverged", "detail": "loss is NaN"}), "job_1 failed: loss is NaN"),
        (job("cancelled"), "job_1 cancelled"),
    ],
)
def test_wait_yields_the_end_and_raises(scripted: ScriptedService, answer: Answer, message: str) -> None:
    scripted.script["GET /v1/jobs/job_1"] = [job("running"), answer]
    seen: list[str] = []
    with Client(scripted.url) as client, pytest.raises(RunFailedError, match=f"^{message}$"):
        seen.extend(run["state"] for run in client.wait("job_1", poll=0))


def test_download_goes_to_a_file_or_into_a_folder(scripted: ScriptedService, tmp_path: Path) -> None:
    scripted.script = {
        "GET /v1/jobs/job_1": [finished_job()],
        "GET /v1/jobs/job_1/summary": [Answer(ARCHIVE)],
    }
    with Client(scripted.url) as client:
        assert client.download_summary("job_1", tmp_path) == tmp_path / "job_1.zip"
        assert client.download_summary("job_1", tmp_path / "mine.zip") == tmp_path / "mine.zip"
    assert (tmp_path / "mine.zip").read_bytes() == (tmp_path / "job_1.zip").read_bytes() == ARCHIVE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job_1.zip", "mine.zip"]


def test_download_takes_up_where_the_connection_broke(scripted: ScriptedService, tmp_path: Path) -> None:
    scripted.script = {
        "GET /v1/jobs/job_1": [finished_job()],
        "GET /v1/jobs/job_1/summary": [Answer(ARCHIVE, cut_after=1000), partial(1000)],
    }
    with Client(scripted.url) as client:
        client.download_summary("job_1", tmp_path / "s.zip")
    assert (tmp_path / "s.zip").read_bytes() == ARCHIVE
    resumed = scripted.requests[-1].headers
    assert (resumed["Range"], resumed["If-Range"]) == ("bytes=1000-", f'"{SHA256}"')


def test_download_begins_anew_when_the_server_has_another_archive(
    scripted: ScriptedService, tmp_path: Path
) -> None:
    (tmp_path / "s.zip.part").write_bytes(b"of another summary")
    scripted.script = {
        "GET /v1/jobs/job_1": [finished_job()],
        "GET /v1/jobs/job_1/summary": [Answer(ARCHIVE)],
    }
    with Client(scripted.url) as client:
        client.download_summary("job_1", tmp_path / "s.zip")
    assert (tmp_path / "s.zip").read_bytes() == ARCHIVE


def test_a_damaged_download_never_gets_the_name(scripted: ScriptedService, tmp_path: Path) -> None:
    scripted.script = {
        "GET /v1/jobs/job_1": [finished_job()],
        "GET /v1/jobs/job_1/summary": [Answer(ARCHIVE[:-1] + b"!")],
    }
    with Client(scripted.url) as client, pytest.raises(DamagedDownloadError, match=SHA256):
        client.download_summary("job_1", tmp_path / "s.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_download_into_a_folder_that_is_not_there_names_it(
    scripted: ScriptedService, tmp_path: Path
) -> None:
    scripted.script = {
        "GET /v1/jobs/job_1": [finished_job()],
        "GET /v1/jobs/job_1/summary": [Answer(ARCHIVE)],
    }
    folder = tmp_path / "nowhere"
    with (
        Client(scripted.url) as client,
        pytest.raises(ClientError, match=f"s.zip in the directory {folder}: No such file or directory"),
    ):
        client.download_summary("job_1", folder / "s.zip")


def test_download_of_an_unfinished_job_tells_the_services_reason(
    scripted: ScriptedService, tmp_path: Path
) -> None:
    problem = {"title": "Conflict", "status": 409, "detail": "job_1 is running", "code": "not_finished"}
    scripted.script = {
        "GET /v1/jobs/job_1": [job("running")],
        "GET /v1/jobs/job_1/summary": [
            Answer.json(problem, status=409, content_type="application/problem+json")
        ],
    }
    with Client(scripted.url) as client, pytest.raises(ServiceProblem, match="job_1 is running"):
        client.download_summary("job_1", tmp_path)


def message(seq: int, kind: str) -> bytes:
    event = {"seq": seq, "at": "2026-01-02T03:04:05Z", "attempt": 1, "kind": kind, "data": {}}
    return f"event: {kind}\ndata: {json.dumps(event)}\nid: {seq}\n\n: ping\n\n".encode()


def sse(*messages: bytes, cut_after: int | None = None) -> Answer:
    return Answer(b"".join(messages), headers={"Content-Type": "text/event-stream"}, cut_after=cut_after)


def test_a_broken_stream_of_events_is_taken_up_where_it_was(
    scripted: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken in the middle of the second event, then refused by a server that is starting, then closed early."""
    monkeypatch.setattr("td3client.streams.RECONNECT_PAUSE", 0.0)
    first, second, third = message(1, "claimed"), message(2, "stage"), message(3, "succeeded")
    scripted.script["GET /v1/jobs/job_1/events"] = [
        sse(first, second, cut_after=len(first) + 10),
        Answer(b"starting", 503),
        sse(second),
        sse(third),
    ]
    with Client(scripted.url) as client:
        assert [event["seq"] for event in client.events("job_1")] == [1, 2, 3]
    seen = [request.headers["Last-Event-ID"] for request in scripted.requests]
    assert seen == ["0", "1", "1", "2"]


def test_a_stream_that_has_no_more_ends(scripted: ScriptedService) -> None:
    scripted.script["GET /v1/evaluations/eval_1/events"] = [Answer(b"", 204)]
    with Client(scripted.url) as client:
        assert list(client.events("eval_1", after=7)) == []
    assert scripted.requests[0].headers["Last-Event-ID"] == "7"


def test_a_stream_of_what_does_not_exist_is_refused(scripted: ScriptedService) -> None:
    problem = Answer.json({"detail": "no job_1"}, status=404, content_type="application/problem+json")
    scripted.script["GET /v1/jobs/job_1/events"] = [problem]
    with Client(scripted.url) as client, pytest.raises(ServiceProblem, match="no job_1"):
        list(client.events("job_1"))


def test_a_service_that_stays_away_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("td3client.streams.RECONNECT_SECONDS", -1.0)
    with Client(f"http://127.0.0.1:{free_port()}") as client, pytest.raises(UnreachableError):
        list(client.events("job_1"))


def test_an_evaluation_is_cancelled_by_its_own_path(scripted: ScriptedService) -> None:
    scripted.script = {
        "POST /v1/evaluations/eval_1/cancel": [Answer.json({"state": "cancelling"}, status=202)],
        "POST /v1/jobs/job_1/cancel": [Answer.json({"state": "cancelled"}, status=202)],
    }
    with Client(scripted.url) as client:
        assert [client.cancel(run)["state"] for run in ("eval_1", "job_1")] == ["cancelling", "cancelled"]
