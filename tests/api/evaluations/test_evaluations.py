from typing import Any, Optional

import httpx
import pytest

from api.db import Database
from api.evaluations.schemas import EvaluationOut
from api.models import Evaluation, RunState
from td3core.config import EvaluationSpec
from td3core.formats import EVALUATION_RESULT
from td3core.results import EvaluationResult
from tests.support.jobs import outbox_ids
from tests.support.problems import problem

FIGURE = {"mean": 0.1, "std": None, "low": None, "high": None, "values": [0.1]}
RESULT: dict[str, Any] = {
    "results": {
        "sasrec": {
            "summary": {"ndcg@10": FIGURE},
            "full": {"ndcg@10": FIGURE},
            "of_the_future": {"ndcg@10": FIGURE | {"median": 0.1}},
        }
    },
    "recovery": {
        "sasrec": {
            "ndcg@10": {
                "recovery": 0.9,
                "low": 0.85,
                "high": 0.96,
                "lift_recovery": 0.8,
                "lift_low": None,
                "lift_high": None,
                "teacher_recovery": 0.85,
                "teacher_low": 0.8,
                "teacher_high": 0.9,
            }
        }
    },
    "own_recovery": {"sasrec": {}},
    "comparison": {
        "sasrec": {"random": {"ndcg@10": {"difference": 0.01, "low": -0.01, "high": 0.03, "disjoint": False}}}
    },
    "worth": {
        "sasrec": {
            "summary": {
                "metric": "ndcg@10",
                "summary": FIGURE,
                "teacher": FIGURE,
                "lead_over_teacher": {"difference": 0.0, "low": -0.01, "high": 0.01, "disjoint": False},
                "rows": 30,
                "log_users": 943,
                "users": 90.0,
                "low": 30.0,
                "high": None,
                "times_rows": 3.0,
                "curve": [{"users": 30, "source": "random_labelled", "figure": FIGURE}],
            }
        }
    },
    "diverged": {"sasrec": ["longest"]},
    "unavailable": ["teacher"],
    "warnings": [
        {
            "reason": "popularity",
            "training": "teacher",
            "score": 0.04,
            "last_score": 0.03,
            "popularity": 0.043,
            "restarts": 2,
            "detail": "teacher: no better than popularity",
        }
    ],
    "seconds": {"sasrec": {"summary": 1.5}},
    "timing": {},
    "trend": None,
    "size": None,
    "seeds": [0],
    "intervals": "seeds and users",
    "split": "valid",
    "protocol": "uni100",
    "exclude_seen": False,
}


def test_no_body_means_all_defaults(api: httpx.Client, database: Database, finished_job: str) -> None:
    response = api.post(f"/jobs/{finished_job}/evaluations")
    assert response.status_code == 202, response.text
    evaluation = response.json()
    assert response.headers["location"] == f"/evaluations/{evaluation['id']}"
    assert (evaluation["state"], evaluation["job_id"]) == ("queued", finished_job)
    assert evaluation["spec"] == EvaluationSpec.model_validate({}).model_dump(mode="json")
    assert {evaluation[field] for field in RESULT} == {None}
    assert (evaluation.pop("queue"), evaluation["state"]) == (
        None,
        "queued",
    )  # its place is told from then on
    read = api.get(response.headers["location"]).json()
    assert read.pop("queue")["position"] == 1
    assert read == evaluation
    assert evaluation["id"] in outbox_ids(database)


def test_a_body_says_what_to_evaluate(api: httpx.Client, finished_job: str) -> None:
    spec = api.post(f"/jobs/{finished_job}/evaluations", json={"seeds": 2, "cutoffs": [10]}).json()["spec"]
    assert (spec["seeds"], spec["cutoffs"]) == (2, [10])


@pytest.mark.parametrize(
    ("body", "field"), [({"seeds": 0}, "seeds"), ({"seeds": True}, "seeds"), ({"x": 1}, "x"), ([], "")]
)
def test_wrong_bodies(api: httpx.Client, finished_job: str, body: object, field: str) -> None:
    response = api.post(f"/jobs/{finished_job}/evaluations", json=body)
    assert problem(response, 422, "invalid_spec")["errors"][0]["field"] == field


def test_a_former_name_of_a_source_is_refused_once_with_the_new_one(
    api: httpx.Client, finished_job: str
) -> None:
    response = api.post(f"/jobs/{finished_job}/evaluations", json={"sources": ["own_full"]})
    body = problem(response, 422, "invalid_spec")
    expected = "'full_own_embedding', the new name of this source"
    assert body["errors"] == [{"field": "sources.0", "got": "own_full", "expected": expected}]
    assert body["detail"] == f"The spec is invalid: sources.0: expected {expected} (got 'own_full')"


def test_a_body_that_is_not_json(api: httpx.Client, finished_job: str) -> None:
    response = api.post(
        f"/jobs/{finished_job}/evaluations", content="{", headers={"Content-Type": "application/json"}
    )
    assert "not valid JSON" in problem(response, 422, "invalid_spec")["detail"]


@pytest.mark.parametrize("body", [rb'{"learners": ["\ud800"]}', rb'{"\ud800": 1}', b"\xff"])
def test_text_that_is_none(api: httpx.Client, finished_job: str, body: bytes) -> None:
    response = api.post(
        f"/jobs/{finished_job}/evaluations", content=body, headers={"Content-Type": "application/json"}
    )
    problem(response, 422, "invalid_spec")


def test_a_body_is_read_no_further_than_a_spec_can_be_long(api: httpx.Client) -> None:
    problem(api.post("/jobs/any/evaluations", content=b" " * (2**20 + 1)), 413, "too_large")


def test_a_job_without_a_summary(api: httpx.Client, queued_job: str) -> None:
    problem(api.post(f"/jobs/{queued_job}/evaluations"), 409, "job_not_finished")
    assert api.get(f"/jobs/{queued_job}/evaluations").json()["items"] == []


def shown_as(api: httpx.Client, database: Database, job: str, stored: dict[str, Any]) -> dict[str, Any]:
    """Answer of the API for an evaluation with this result."""
    evaluation_id = api.post(f"/v1/jobs/{job}/evaluations").json()["id"]
    with database.transaction() as session:
        row = session.get_one(Evaluation, evaluation_id)
        row.state, row.result = RunState.SUCCEEDED, stored
    shown = api.get(f"/v1/evaluations/{evaluation_id}")
    assert shown.status_code == 200, shown.text
    (listed,) = api.get(f"/v1/jobs/{job}/evaluations", params={"limit": 1}).json()["items"]
    assert listed == shown.json()
    problem(api.post(f"/v1/evaluations/{evaluation_id}/cancel"), 409, "already_finished")
    return shown.json()


def test_the_whole_result_is_shown_in_its_order(
    api: httpx.Client, database: Database, finished_job: str
) -> None:
    assert set(RESULT) == set(EvaluationResult.model_fields) - {"format"}
    shown = shown_as(api, database, finished_job, {**RESULT, "format": EVALUATION_RESULT.current})
    assert {key: shown[key] for key in RESULT} == RESULT
    assert list(shown["results"]["sasrec"]) == ["summary", "full", "of_the_future"]
    assert "format" not in shown


def test_a_result_of_the_first_format_is_shown_under_the_names_of_this_one(
    api: httpx.Client, database: Database, finished_job: str
) -> None:
    stored = {"results": {"sasrec": {"own_soft": {"ndcg@10": {"mean": 0.1, "values": [0.1]}}}}}
    shown = shown_as(api, database, finished_job, stored)
    assert shown["results"] == {"sasrec": {"summary_own_embedding": {"ndcg@10": FIGURE}}}
    assert shown["split"] is None


def test_what_does_not_validate_is_shown_as_it_was_stored(
    api: httpx.Client, database: Database, finished_job: str
) -> None:
    future = {"sasrec": {"summary": {"coverage@10": {"of_the_future": 1}}}}
    stored = {**RESULT, "format": 99, "results": future, "speed": {"of_the_future": 2}, "state": "odd"}
    shown = shown_as(api, database, finished_job, stored)
    assert (shown["results"], shown["speed"]) == (future, {"of_the_future": 2})
    assert (shown["recovery"], shown["state"]) == (RESULT["recovery"], "succeeded")


def test_the_answer_has_every_field_of_a_result_with_its_type_and_description() -> None:
    for name, field in EvaluationResult.model_fields.items():
        if name == "format":
            continue
        answered = EvaluationOut.model_fields[name]
        assert answered.description
        assert answered.description.startswith(str(field.description))
        assert answered.annotation in (field.annotation, Optional[field.annotation])  # noqa: UP045


def test_the_list_of_a_job(api: httpx.Client, finished_job: str) -> None:
    made = [api.post(f"/jobs/{finished_job}/evaluations").json()["id"] for _ in range(3)]
    page = api.get(f"/jobs/{finished_job}/evaluations", params={"limit": 2}).json()
    assert [item["id"] for item in page["items"]] == made[:0:-1]
    rest = api.get(f"/jobs/{finished_job}/evaluations", params={"cursor": page["next_cursor"]}).json()
    assert [item["id"] for item in rest["items"]] == made[:1]


def test_cancelling(api: httpx.Client, finished_job: str) -> None:
    evaluation_id = api.post(f"/jobs/{finished_job}/evaluations").json()["id"]
    response = api.post(f"/evaluations/{evaluation_id}/cancel")
    assert (response.status_code, response.json()["state"]) == (202, "cancelled")


@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("POST", "/cancel")])
def test_unknown_evaluations(api: httpx.Client, method: str, tail: str) -> None:
    problem(api.request(method, f"/evaluations/eval_x{tail}"), 404, "evaluation_not_found")
