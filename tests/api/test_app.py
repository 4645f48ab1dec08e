from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from api.app import create_app
from api.db import Database
from api.errors import SettingsError
from api.http.context import open_context
from api.migrate import downgrade, newest_revision
from api.models import Job
from api.settings import Settings
from tests.support.live_api import running_api
from tests.support.problems import problem
from tests.support.waiting import wait_until

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


def test_the_root_says_where_to_go(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "guide").mkdir()
    (tmp_path / "guide" / "index.html").write_text("<h1>Guide</h1>")
    with running_api(settings, guide_folder=tmp_path / "guide") as api:
        body = api.get("/").json()
        assert body["name"] == "TD3 Service"
        assert {"jobs", "guide", "documentation"} < set(body["links"])
        for path in body["links"].values():
            assert api.get(path).status_code == 200, path


def test_ready_and_alive(api: httpx.Client) -> None:
    assert api.get("/healthz").json() == {"status": "alive"}
    assert api.get("/readyz").json() == {
        "status": "ready",
        "checks": {"database": "ok", "broker": "ok", "storage": "ok"},
    }


def test_not_ready_with_an_old_database(api: httpx.Client, database: Database) -> None:
    downgrade(database.engine)
    errors = problem(api.get("/readyz"), 503, "not_ready")["errors"]
    reason = f"the schema is at revision None, expected {newest_revision()}"
    assert errors == [{"check": "database", "reason": reason}]
    assert api.get("/healthz").status_code == 200


def test_ready_with_the_database_of_a_later_version(api: httpx.Client, database: Database) -> None:
    """In a rolling upgrade it comes first, and must not take the processes of this version out of service."""
    with database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'later'"))
    assert api.get("/readyz").json()["checks"]["database"] == "ok"


def test_not_ready_without_a_database(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"database_url": "postgresql://td3@127.0.0.1:1/td3"})
    with running_api(nowhere) as api:
        errors = problem(api.get("/readyz"), 503, "not_ready")["errors"]
        assert errors == [{"check": "database", "reason": "unavailable"}]


def test_unknown_paths(api: httpx.Client) -> None:
    assert problem(api.get("/nowhere"), 404, "not_found")["detail"] == "The path /nowhere does not exist."


def test_methods_that_do_not_exist(api: httpx.Client) -> None:
    response = api.delete("/jobs")
    problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET, HEAD, POST"


def test_a_fault_of_ours_is_a_problem_too(
    api: httpx.Client, database: Database, queued_job: str, caplog: pytest.LogCaptureFixture
) -> None:
    with database.transaction() as session:
        session.get_one(Job, queued_job).losses = {"secret": "no number"}
    response = api.get(f"/jobs/{queued_job}")
    assert "secret" not in str(problem(response, 500, "internal_error"))
    wait_until(lambda: "secret" in caplog.text)  # the server logs it after the answer


def test_a_database_that_is_away(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"database_url": "postgresql://td3@127.0.0.1:1/td3"})
    with running_api(nowhere) as api:
        problem(api.get("/jobs"), 503, "database_unavailable")


@pytest.mark.parametrize(("sent", "kept"), [("abc-123", True), ("a b", False), ("x" * 65, False)])
def test_request_ids(api: httpx.Client, sent: str, kept: bool) -> None:
    answered = api.get("/", headers={"X-Request-ID": sent}).headers["x-request-id"]
    assert (answered == sent) is kept
    assert answered


def test_the_start_needs_a_broker(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="TD3_BROKER_URL is not set"):
        open_context(settings.model_copy(update={"broker_url": None}))


def test_every_operation_has_an_example(settings: Settings) -> None:
    document = create_app(settings).openapi()
    assert set(document["paths"]) == {
        "/",
        "/v1/jobs",
        "/v1/jobs/validate",
        "/v1/jobs/cancel",
        "/v1/jobs/delete",
        "/v1/jobs/{job_id}/restore",
        "/v1/jobs/{job_id}",
        "/v1/jobs/{job_id}/cancel",
        "/v1/jobs/{job_id}/events",
        "/v1/jobs/{job_id}/pause",
        "/v1/jobs/{job_id}/resume",
        "/v1/jobs/{job_id}/summary",
        "/v1/jobs/{job_id}/evaluations",
        "/v1/evaluations",
        "/v1/evaluations/{evaluation_id}",
        "/v1/evaluations/{evaluation_id}/restore",
        "/v1/evaluations/{evaluation_id}/cancel",
        "/v1/evaluations/{evaluation_id}/events",
        "/v1/webhooks",
        "/v1/webhooks/{webhook_id}",
        "/v1/webhooks/{webhook_id}/rotate",
        "/v1/webhooks/{webhook_id}/test",
        "/v1/webhooks/{webhook_id}/replay",
        "/v1/webhooks/{webhook_id}/deliveries",
        "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}",
        "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver",
        "/v1/workers",
        "/v1/me",
        "/v1/keys",
        "/v1/keys/{key_id}",
        "/v1/keys/{key_id}/rotate",
        "/v1/audit",
        "/v1/audit/export",
        "/v1/projects",
        "/v1/projects/{project_id}",
        "/v1/projects/{project_id}/members",
        "/v1/projects/{project_id}/members/{user_id}",
        "/healthz",
        "/metrics",
        "/readyz",
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                for media_type, content in response.get("content", {}).items():
                    if status == "default" or media_type == "application/zip":
                        continue
                    described = content.get("example") or content.get("examples") or status == "422"
                    assert described, (method, path, status)


def test_events_are_documented_as_pages_and_as_a_stream(settings: Settings) -> None:
    document = create_app(settings).openapi()
    for path in ("/v1/jobs/{job_id}/events", "/v1/evaluations/{evaluation_id}/events"):
        operation = document["paths"][path]["get"]
        assert set(operation["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
        names = {parameter["name"] for parameter in operation["parameters"]}
        assert {"after", "limit", "Last-Event-ID"} < names


def test_the_upload_is_documented_with_the_schema_of_the_spec(settings: Settings) -> None:
    document = create_app(settings).openapi()
    body = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert body["schema"]["properties"]["spec"] == {"$ref": "#/components/schemas/JobSpec"}
    assert document["components"]["schemas"]["JobSpec"]["additionalProperties"] is False
    assert "required" not in document["components"]["schemas"]["JobSpec"]
    assert body["examples"]
    text = str(document)
    assert "HTTPValidationError" not in text
    references = {part.split("'")[0] for part in text.split("#/components/schemas/")[1:]}
    assert references <= set(document["components"]["schemas"])


def test_the_examples_are_valid(settings: Settings) -> None:
    from api.evaluations import schemas as evaluations
    from api.events import schemas as events
    from api.jobs import schemas as jobs
    from api.workers import schemas as workers

    for example in (jobs.QUEUED_EXAMPLE, jobs.RUNNING_EXAMPLE, jobs.CANCELLING_EXAMPLE):
        jobs.JobOut.model_validate(example)
    for example in (jobs.SUBMITTED_EXAMPLE, jobs.DEDUPLICATED_EXAMPLE):
        jobs.SubmittedJob.model_validate(example)
    for example in (
        evaluations.QUEUED_EXAMPLE,
        evaluations.SUCCEEDED_EXAMPLE,
        evaluations.CANCELLING_EXAMPLE,
    ):
        evaluations.EvaluationOut.model_validate(example)
    events.EventPage.model_validate(events.PAGE_EXAMPLE)
    workers.Workers.model_validate(workers.WORKERS_EXAMPLE)
