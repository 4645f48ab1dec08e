import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from td3client import Client
from tests.support.command_line import RUN, td3
from tests.support.scripted_service import Answer, ScriptedService


def test_submit_and_wait_prints_the_id_and_the_progress(scripted: ScriptedService, tmp_path: Path) -> None:
    log, spec = tmp_path / "log.csv", tmp_path / "spec.json"
    log.write_text("user,item\n")
    spec.write_text('{"seed": 4}')
    scripted.script = {
        "POST /v1/jobs": [Answer.json({**RUN, "state": "queued"}, status=202)],
        "GET /v1/jobs/job_1": [Answer.json(RUN), Answer.json({**RUN, "state": "succeeded", "progress": 1.0})],
    }
    done = td3("submit", str(log), "--spec", str(spec), "--wait", url=scripted.url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "job_1",
        "job distilling  50% step 7/14, outer 0.25, ndcg@10 0.2, 1 min 05 s left",
        "job succeeded 100% ",
    ]
    assert b'{"seed": 4}' in scripted.requests[0].body


def test_what_a_service_from_before_scores_answers_is_shown(scripted: ScriptedService) -> None:
    old = {name: value for name, value in RUN.items() if name != "scores"}
    old["losses"] = {"outer": 0.25, "ndcg@10": 0.3}
    scripted.script = {"GET /v1/jobs/job_1": [Answer.json(old), Answer.json({**old, "state": "succeeded"})]}
    done = td3("wait", "job_1", url=scripted.url)
    assert "step 7/14, outer 0.25, ndcg@10 0.3, 1 min" in done.stdout, done.stderr


def test_submit_says_that_there_was_an_identical_job(scripted: ScriptedService, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user,item\n")
    scripted.script = {
        "POST /v1/jobs": [Answer.json({**RUN, "deduplicated": True})],
        "POST /v1/jobs?force=true": [Answer.json({**RUN, "id": "job_2", "deduplicated": False}, status=202)],
    }
    same = td3("submit", str(log), url=scripted.url)
    assert (same.stdout, "identical" in same.stderr) == ("job_1\n", True)
    forced = td3("submit", str(log), "--force", url=scripted.url)
    assert (forced.stdout, forced.stderr) == ("job_2\n", "")


def test_waiting_for_a_job_that_stopped_early_says_why(scripted: ScriptedService) -> None:
    ended = {**RUN, "state": "succeeded", "progress": 1.0}
    by_time = {**ended, "metrics": {"stopped": {"reason": "seconds", "detail": None}}}
    diverged = {**ended, "metrics": {"stopped": {"reason": "diverged", "detail": "the outer loss was nan"}}}
    for job, why in ((by_time, "seconds"), (diverged, "the outer loss was nan")):
        scripted.script = {"GET /v1/jobs/job_1": [Answer.json(job)]}
        done = td3("wait", "job_1", url=scripted.url)
        assert done.returncode == 0
        assert f"stopped early ({why})" in done.stdout


def test_waiting_for_a_job_says_what_went_wrong(scripted: ScriptedService) -> None:
    warning = {"reason": "fell", "training": "teacher", "detail": "teacher: validation ndcg@10 fell"}
    job = {**RUN, "state": "succeeded", "progress": 1.0, "metrics": {"warnings": [warning]}}
    scripted.script = {"GET /v1/jobs/job_1": [Answer.json(job)]}
    assert "warning: teacher: validation ndcg@10 fell" in td3("wait", "job_1", url=scripted.url).stdout


def test_waiting_for_a_job_says_how_large_its_summary_is_beside_the_log(scripted: ScriptedService) -> None:
    summary = {"bytes": 52_300, "sha256": "5" * 64, "href": "/v1/jobs/job_1/summary", "expired_at": None}
    for log_bytes, told in (
        (9_400, "52 kB, not smaller than the 9.4 kB of the log as compressed Parquet"),
        (523_000, "52 kB, 10% of the 523 kB of the log as compressed Parquet"),
    ):
        metrics = {"log_parquet_bytes": log_bytes}
        job = {**RUN, "state": "succeeded", "progress": 1.0, "summary": summary, "metrics": metrics}
        scripted.script = {"GET /v1/jobs/job_1": [Answer.json(job)]}
        assert told in td3("wait", "job_1", url=scripted.url).stdout


def test_waiting_for_a_job_that_fails_ends_with_its_reason(scripted: ScriptedService) -> None:
    error = {"code": "diverged", "detail": "the outer loss is NaN [at step 3]"}
    scripted.script = {"GET /v1/jobs/job_1": [Answer.json({**RUN, "state": "failed", "error": error})]}
    done = td3("wait", "job_1", url=scripted.url)
    assert done.returncode == 1
    assert done.stderr == "Error: job_1 failed: the outer loss is NaN [at step 3]\n"


def test_status_is_json(scripted: ScriptedService) -> None:
    scripted.script = {"GET /v1/jobs/job_1": [Answer.json(RUN)]}
    assert json.loads(td3("status", "job_1", url=scripted.url).stdout) == RUN


def test_jobs_are_lines_with_ids_and_names_in_full(scripted: ScriptedService) -> None:
    first, second = (f"job_{digit * 32}" for digit in "12")
    items = [
        {**RUN, "id": first, "dataset": {"name": "[run1] of :key: and a name that is long.csv"}},
        {**RUN, "id": second, "state": "queued", "progress": 0.0, "dataset": {"name": None}},
    ]
    scripted.script = {"GET /v1/jobs?limit=20": [Answer.json({"items": items, "next_cursor": None})]}
    assert td3("jobs", url=scripted.url).stdout.splitlines() == [
        f"{first} distilling  50% 2026-01-02T03:04:05 [run1] of :key: and a name that is long.csv",
        f"{second} queued       0% 2026-01-02T03:04:05",
    ]


def test_lists_pass_their_options_on_as_filters(scripted: ScriptedService) -> None:
    empty = Answer.json({"items": [], "next_cursor": None})
    scripted.script = {
        "GET /v1/jobs?limit=5&state=failed&state=queued&not_state=paused&label=team%3Aranking&not_label=env&"
        "dataset=log.csv&created_by=key_1&error=bad_rows&created_since=2026-01-15T00%3A00%3A00Z&"
        "created_until=2026-01-16T00%3A00%3A00Z&sort=-finished_at": [empty],
        "GET /v1/evaluations?limit=20&label=team": [empty],
        "GET /v1/jobs/job_1/evaluations?limit=20": [empty],
    }
    times = ("--since", "2026-01-15T00:00:00Z", "--until", "2026-01-16T00:00:00Z", "--sort=-finished_at")
    found = ("--label", "team:ranking", "--not-label", "env", "--dataset", "log.csv", "--error", "bad_rows")
    states = ("--state", "failed", "--state", "queued", "--not-state", "paused", "--created-by", "key_1")
    for command in (
        ("jobs", "--limit", "5", *times, *found, *states),
        ("evaluations", "--label", "team"),
        ("evaluations", "job_1"),
    ):
        done = td3(*command, url=scripted.url)
        assert (done.returncode, done.stderr) == (0, "")


def test_notes_are_sent_with_a_submission_and_changed_later(
    scripted: ScriptedService, tmp_path: Path
) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user,item\n")
    labelled = {**RUN, "name": "n", "labels": {"a": "1", "b": ""}, "pinned": True}
    scripted.script = {
        "POST /v1/jobs?name=n&label=a%3A1&label=b%3A": [Answer.json(labelled, status=202)],
        "PATCH /v1/jobs/job_1": [Answer.json(labelled)],
    }
    done = td3("submit", str(log), "--name", "n", "--label", "a:1", "--label", "b", url=scripted.url)
    assert (done.returncode, done.stdout) == (0, "job_1\n"), done.stderr
    options = ("--name", "", "--label", "a:1", "--unlabel", "c", "--pin")
    assert td3("change", "job_1", *options, url=scripted.url).stdout.splitlines() == ["a:1", "b:"]
    assert json.loads(scripted.requests[-1].body) == {
        "name": None,
        "labels": {"a": "1", "c": None},
        "pinned": True,
    }


def test_deleting_says_what_it_frees_and_until_when_it_can_be_taken_back(scripted: ScriptedService) -> None:
    gone = {"deleted_at": "2026-01-20T08:00:00Z", "restorable_until": "2026-01-27T08:00:00Z", "links": {}}
    scripted.script = {
        "DELETE /v1/jobs/job_1": [Answer.json({"id": "job_1", "frees_bytes": 3, **gone})],
        "DELETE /v1/evaluations/eval_1": [Answer.json({"id": "eval_1", "frees_bytes": 0, **gone})],
        "POST /v1/jobs/job_1/restore": [Answer.json({**RUN, "state": "failed"})],
        "GET /v1/jobs?limit=20&deleted=true": [Answer.json({"items": [], "next_cursor": None})],
    }
    assert td3("delete", "job_1", "eval_1", url=scripted.url).stdout.splitlines() == [
        "job_1 can be restored until 2026-01-27T08:00:00, then 3 bytes are freed",
        "eval_1 can be restored until 2026-01-27T08:00:00, then 0 bytes are freed",
    ]
    assert td3("restore", "job_1", url=scripted.url).stdout == "job_1 failed\n"
    assert td3("jobs", "--deleted", url=scripted.url).returncode == 0


def test_the_client_does_to_many_what_was_counted(scripted: ScriptedService) -> None:
    counted = {"count": 2, "most": 200, "frees_bytes": None}
    scripted.script = {
        "POST /v1/jobs/cancel": [
            Answer.json({**counted, "done": False}),
            Answer.json({**counted, "done": True}),
        ],
        "POST /v1/jobs/delete": [Answer.json({**counted, "done": True, "frees_bytes": 3})],
    }
    with Client(scripted.url) as client:
        assert client.cancel_jobs(state=["queued"])["count"] == 2
        assert client.cancel_jobs(state=["queued"], expected=2)["done"]
        assert client.delete_jobs(label=["a"], expected=2).get("frees_bytes") == 3
    assert [json.loads(request.body) for request in scripted.requests] == [
        {"filter": {"state": ["queued"]}, "expected": None},
        {"filter": {"state": ["queued"]}, "expected": 2},
        {"filter": {"label": ["a"]}, "expected": 2},
    ]


def test_download_prints_the_path_as_it_is(scripted: ScriptedService, tmp_path: Path) -> None:
    summary = {"bytes": 2, "sha256": hashlib.sha256(b"{}").hexdigest(), "href": "/v1/jobs/job_1/summary"}
    scripted.script = {
        "GET /v1/jobs/job_1": [Answer.json({**RUN, "state": "succeeded", "summary": summary})],
        "GET /v1/jobs/job_1/summary": [Answer(b"{}")],
    }
    folder = tmp_path / "[bk]"
    folder.mkdir()
    done = td3("download", "job_1", str(folder), url=scripted.url)
    assert done.stdout == f"{folder / 'job_1.zip'}\n", done.stderr


def test_events_are_lines(scripted: ScriptedService) -> None:
    metrics = {
        key: RUN[key] for key in ("stage", "progress", "step", "steps", "losses", "scores", "eta_seconds")
    }
    logged = [
        ("claimed", {"worker": "gpu/1"}),
        ("metrics", metrics),
        ("failed", {"error": {"code": "x", "detail": "y"}}),
    ]
    items = [
        {"seq": seq, "at": "2026-01-02T03:04:05Z", "attempt": 1, "kind": kind, "data": data}
        for seq, (kind, data) in enumerate(logged, start=1)
    ]
    scripted.script = {
        "GET /v1/jobs/job_1/events?after=0": [Answer.json({"items": items, "next_after": 3, "ended": True})],
    }
    assert td3("events", "job_1", url=scripted.url).stdout.splitlines() == [
        "   1 2026-01-02T03:04:05 #1 claimed       worker gpu/1",
        "   2 2026-01-02T03:04:05 #1 metrics       distilling 50% step 7/14, outer 0.25, ndcg@10 0.2, 1 min 05 s left",
        "   3 2026-01-02T03:04:05 #1 failed        x: y",
    ]


def spread(mean: float) -> dict[str, Any]:
    return {"mean": mean, "std": 0.01, "low": mean - 0.02, "high": mean + 0.02, "values": [mean]}


EVALUATION: dict[str, Any] = {
    **RUN,
    "id": "eval_1",
    "state": "succeeded",
    "spec": {"learners": ["sasrec", "narm"]},
    "results": {"sasrec": {"full": {"ndcg@10": spread(0.2)}, "summary": {"ndcg@10": spread(0.18)}}},
    "recovery": {"sasrec": {"ndcg@10": {"recovery": 0.9, "lift_recovery": None}}},
}


def test_evaluate_prints_sources_by_metrics_and_what_is_recovered(scripted: ScriptedService) -> None:
    scripted.script = {
        "POST /v1/jobs/job_1/evaluations": [Answer.json({**EVALUATION, "state": "queued"}, status=202)],
        "GET /v1/evaluations/eval_1": [Answer.json(EVALUATION)],
    }
    done = td3("evaluate", "job_1", "--spec", '{"seeds": 5}', url=scripted.url)
    assert (done.returncode, done.stderr) == (0, "eval_1\n")
    assert json.loads(scripted.requests[0].body) == {"seeds": 5}
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines()]
    assert ["full", "0.2000 ± 0.0200"] in rows
    assert rows.index(["full", "0.2000 ± 0.0200"]) + 1 == rows.index(["summary", "0.1800 ± 0.0200"])
    assert ["recovery", "0.900"] in rows
    waited = td3("wait", "eval_1", url=scripted.url)
    assert (waited.returncode, waited.stdout) == (0, done.stdout), waited.stderr


def test_an_evaluation_is_shown_listed_and_waited_for_by_its_id(scripted: ScriptedService) -> None:
    failed = {**EVALUATION, "state": "failed", "error": {"code": "diverged", "detail": "the loss is NaN"}}
    listed = {"items": [{**EVALUATION, "state": "running"}, {**failed, "id": "eval_0"}], "next_cursor": None}
    scripted.script = {
        "GET /v1/evaluations/eval_1": [Answer.json(failed)],
        "GET /v1/jobs/job_1/evaluations?limit=2": [Answer.json(listed)],
    }
    assert json.loads(td3("status", "eval_1", url=scripted.url).stdout) == failed
    assert td3("evaluations", "job_1", "--limit", "2", url=scripted.url).stdout.splitlines() == [
        "eval_1 distilling  50% 2026-01-02T03:04:05 sasrec, narm",
        "eval_0 failed      50% 2026-01-02T03:04:05 sasrec, narm",
    ]
    waited = td3("wait", "eval_1", url=scripted.url)
    assert (waited.returncode, waited.stderr) == (1, "Error: eval_1 failed: the loss is NaN\n")


@pytest.mark.parametrize("spec", ["[1]", "{nonsense", "no/such/file.json"])
def test_a_spec_that_cannot_be_read_is_refused_before_anything_is_sent(
    scripted: ScriptedService, tmp_path: Path, spec: str
) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user,item\n")
    done = td3("submit", str(log), "--spec", spec, url=scripted.url)
    assert done.returncode == 2
    assert "--spec" in done.stderr
    assert scripted.requests == []


def test_a_job_is_paused_resumed_and_given_a_deadline(scripted: ScriptedService, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user,item\n")
    scripted.script = {
        "POST /v1/jobs?deadline_seconds=90.0": [Answer.json({**RUN, "state": "queued"}, status=202)],
        "POST /v1/jobs/job_1/pause": [Answer.json({**RUN, "state": "pausing"}, status=202)],
        "POST /v1/jobs/job_1/resume": [Answer.json({**RUN, "state": "queued"}, status=202)],
    }
    for command, printed in (
        (("submit", str(log), "--deadline", "90"), "job_1\n"),
        (("pause", "job_1"), "pausing\n"),
        (("resume", "job_1"), "queued\n"),
    ):
        done = td3(*command, url=scripted.url)
        assert (done.returncode, done.stdout) == (0, printed), done.stderr
