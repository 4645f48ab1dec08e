"""Names, labels and pins of runs, at the submission and later."""

from typing import Any

import httpx
import pytest

from api.db import Database
from api.models import Job
from tests.support.interaction_logs import LOG
from tests.support.problems import problem
from tests.support.runs import add_evaluation
from tests.support.submissions import submit

SIXTEEN = {f"k{n}": "v" for n in range(16)}


def notes(run: dict[str, Any]) -> tuple[str | None, dict[str, str], bool]:
    return run["name"], run["labels"], run["pinned"]


def test_a_job_is_submitted_with_name_and_labels(api: httpx.Client) -> None:
    made = submit(api, name="log.csv")
    assert notes(made.json()) == (None, {}, False)
    parameters = {"name": "Nightly ü", "label": ["team:ranking", "note:a: b", "draft"], "force": True}
    job = api.post("/jobs", params=parameters, files={"dataset": ("log.csv", LOG)}).json()
    assert notes(job) == ("Nightly ü", {"team": "ranking", "note": "a: b", "draft": ""}, False)
    assert notes(api.get(f"/jobs/{job['id']}").json()) == notes(job)


def test_an_identical_job_keeps_the_notes_that_it_has(api: httpx.Client) -> None:
    first = api.post(
        "/jobs", params={"name": "first", "label": "a:1"}, files={"dataset": ("log.csv", LOG)}
    ).json()
    again = api.post(
        "/jobs", params={"name": "second", "label": "a:2"}, files={"dataset": ("log.csv", LOG)}
    ).json()
    assert (again["id"], again["deduplicated"]) == (first["id"], True)
    assert notes(again) == ("first", {"a": "1"}, False)


def test_another_name_is_another_request_under_the_same_key(api: httpx.Client) -> None:
    def send(**query: Any) -> httpx.Response:
        headers = {"Idempotency-Key": "k"}
        return api.post("/jobs", params=query, files={"dataset": ("log.csv", LOG)}, headers=headers)

    first = send(name="first", label="a:1")
    assert send(name="first", label="a:1").json() == first.json()
    problem(send(name="second", label="a:1"), 422, "idempotency_key_reused")
    problem(send(name="first", label="a:2"), 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    "query",
    [
        {"label": ["a:1", "a:2"]},
        {"label": [f"k{n}" for n in range(17)]},
        {"label": "-x"},
        {"label": "k:" + "v" * 101},
        {"label": "k" * 64},
        {"name": ""},
        {"name": "n" * 201},
        {"name": "a\x00"},
    ],
    ids=["twice", "many", "key", "long value", "long key", "no name", "long name", "control"],
)
def test_notes_that_cannot_be_are_refused_before_anything_is_stored(
    api: httpx.Client, query: dict[str, Any]
) -> None:
    answer = api.post("/jobs", params=query, files={"dataset": ("log.csv", LOG)})
    errors = problem(answer, 422, "invalid_request")["errors"]
    assert errors[0]["field"].startswith(next(iter(query)))
    assert api.get("/jobs").json()["items"] == []


def test_a_change_sets_what_it_names_and_keeps_the_rest(api: httpx.Client, queued_job: str) -> None:
    def change(**fields: Any) -> tuple[str | None, dict[str, str], bool]:
        answer = api.patch(f"/jobs/{queued_job}", json=fields)
        assert answer.status_code == 200, answer.text
        assert notes(api.get(f"/jobs/{queued_job}").json()) == notes(answer.json())
        return notes(answer.json())

    assert change(name="n", labels={"a": "1", "b": "2"}) == ("n", {"a": "1", "b": "2"}, False)
    assert change(labels={"a": "3", "c": ""}) == ("n", {"a": "3", "b": "2", "c": ""}, False)
    assert change(labels={"b": None, "missing": None}, pinned=True) == ("n", {"a": "3", "c": ""}, True)
    assert change() == change(labels={}) == ("n", {"a": "3", "c": ""}, True)
    assert change(name=None, pinned=False) == (None, {"a": "3", "c": ""}, False)
    assert change(labels=SIXTEEN | {"a": None, "c": None})[1] == SIXTEEN
    errors = problem(api.patch(f"/jobs/{queued_job}", json={"labels": {"one": ""}}), 422, "invalid_request")
    assert errors["errors"][0]["field"] == "labels"
    assert len(change(labels={"k0": None, "one": ""})[1]) == len(SIXTEEN)


def test_each_change_is_recorded_once(api: httpx.Client, queued_job: str) -> None:
    for _ in range(2):
        api.patch(f"/jobs/{queued_job}", json={"name": "n", "labels": {"a": "1"}})
    api.patch(f"/jobs/{queued_job}", json={"labels": {"a": "2"}})
    last, first = api.get("/audit", params={"action": "job.changed"}).json()["items"]
    assert first["target"] == queued_job
    assert (first["before"], first["after"]) == (
        {"name": None, "labels": {}},
        {"name": "n", "labels": {"a": "1"}},
    )
    assert (last["before"], last["after"]) == ({"labels": {"a": "1"}}, {"labels": {"a": "2"}})


def test_an_evaluation_is_changed_alike(api: httpx.Client, database: Database, queued_job: str) -> None:
    with database.transaction() as session:
        evaluation = add_evaluation(session, session.get_one(Job, queued_job)).id
    changed = api.patch(
        f"/evaluations/{evaluation}", json={"name": "n", "labels": {"a": "1"}, "pinned": True}
    )
    assert notes(changed.json()) == ("n", {"a": "1"}, True)
    (entry,) = api.get("/audit", params={"target": evaluation}).json()["items"]
    assert entry["action"] == "evaluation.changed"
    assert notes(api.get(f"/jobs/{queued_job}").json()) == (None, {}, False)


@pytest.mark.parametrize(
    "change",
    [
        {"labels": None},
        {"labels": {"a b": ""}},
        {"labels": {"a": 1}},
        {"pinned": None},
        {"pinned": 1},
        {"name": ""},
        {"state": "failed"},
        {"name": "a\u0007"},
    ],
    ids=str,
)
def test_a_change_that_cannot_be_is_refused_by_name(
    api: httpx.Client, queued_job: str, change: dict[str, Any]
) -> None:
    errors = problem(api.patch(f"/jobs/{queued_job}", json=change), 422, "invalid_request")["errors"]
    assert errors[0]["field"].startswith(next(iter(change)))
