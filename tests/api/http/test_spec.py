"""Hostile JSON: each is refused with the field and the reason in a short answer, wherever it stands."""

import httpx
import pytest

from api.db import Database
from api.models import Evaluation, Job
from td3core.config import JobSpec
from tests.support.problems import problem
from tests.support.submissions import submit

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)

LONGEST_ANSWER = 8_000
DIGITS = "1" * 4301
"""One more than Python turns into a number."""
DEEP = 100_000
VALUES = {
    "digits": DIGITS,
    "negative": f"-{DIGITS}",
    "fraction": f"{DIGITS}.5",
    "exponent": f"1e{DIGITS}",
    "large": "1e999",
    "in a list": f"[{DIGITS}]",
    "as a name": f'{{"{DIGITS}": {DIGITS}}}',
    "64 bits": str(2**64),
    "nan": "NaN",
    "infinity": "-Infinity",
    "lone surrogate": '"\\ud800"',
    "other surrogate": '"x\\udc00"',
    "lists": "[" * DEEP + "]" * DEEP,
    "objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "cut": '{"a":' * 10,
    "nothing": "",
    "long name": f'{{"{"k" * 2**18}": 1}}',
    "escapes": '"\\u001b[31m"',
}
PLACES = [
    "{}",
    '{{"seed": {}}}',
    '{{"of_the_future": {}}}',
    '{{"summary": {{"users": {}}}}}',
    '{{"seed": 1, "x": [{}]}}',
]


@pytest.mark.parametrize("place", PLACES)
def test_it_is_refused_in_a_job(api: httpx.Client, place: str) -> None:
    for name, value in VALUES.items():
        refused = submit(api, spec=place.format(value))
        assert problem(refused, 422, "invalid_spec")["errors"], name
        assert len(refused.content) < LONGEST_ANSWER, name
        assert "\x1b" not in refused.text


def test_it_is_refused_in_an_evaluation(api: httpx.Client, finished_job: str) -> None:
    for name, value in VALUES.items():
        body, headers = f'{{"seeds": {value}}}', {"Content-Type": "application/json"}
        refused = api.post(f"/jobs/{finished_job}/evaluations", content=body, headers=headers)
        problem(refused, 422, "invalid_spec")
        assert len(refused.content) < LONGEST_ANSWER, name


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ('{"seed": 1, "seed": 1}', "seed"),
        ('{"seed": 1, "summary": {"users": 5, "users": 6}}', "users"),
        ('{"summary": {"users": 5}, "summary": {}}', "summary"),
        ('{"seed": 1, "\\u0073eed": 2}', "seed"),
    ],
)
def test_a_repeated_field_is_refused(api: httpx.Client, spec: str, field: str) -> None:
    """A parser would take the last and say nothing."""
    told = problem(submit(api, spec=spec), 422, "invalid_spec")
    assert (told["errors"][0]["field"], told["errors"][0]["expected"]) == (
        field,
        "one value (the field is repeated)",
    )


def test_a_long_column_name_is_told_in_short(api: httpx.Client) -> None:
    refused = submit(api, spec={"data": {"columns": {"user": "x" * 1000}}})
    problem(refused, 422, "missing_column")
    assert len(refused.content) < LONGEST_ANSWER


QUERIES = [
    f"limit={DIGITS}",
    f"limit=-{DIGITS}",
    "limit=NaN",
    "limit=1e3",
    "limit=%00",
    "limit=%ff",
    "limit=%ED%A0%80",
    "state=%ED%A0%80",
    f"state={'x' * 5000}",
    "cursor=%00",
    f"cursor={'A' * 5000}",
]


def test_it_is_refused_in_a_query_and_a_header(api: httpx.Client, queued_job: str) -> None:
    for query in QUERIES:
        refused = api.get(f"/jobs?{query}")
        assert refused.status_code == 422, refused.text
        assert len(refused.content) < LONGEST_ANSWER
    for value in (DIGITS, "-1", "nan", "inf", "1e400", "1e-400", "%ff"):
        refused = api.post(f"/jobs?deadline_seconds={value}", files={"dataset": ("log.csv", b"user,item\n")})
        problem(refused, 422, "invalid_request")
        assert len(refused.content) < LONGEST_ANSWER
    for value in (DIGITS, "-1", "1e3"):
        refused = api.get(f"/jobs/{queued_job}/events", headers={"Last-Event-ID": value})
        problem(refused, 422, "invalid_request")


def test_what_new_specs_may_not_ask_for_is_shown_where_it_is_stored(
    api: httpx.Client, database: Database, finished_job: str
) -> None:
    cutoffs, layers = [10] * 101, [1] * 101
    asked = {"cutoffs": cutoffs, "trend": {"layers": layers}}
    refused = problem(api.post(f"/jobs/{finished_job}/evaluations", json=asked), 422, "invalid_spec")
    assert [fault["field"] for fault in refused["errors"]] == ["trend.layers", "cutoffs"]
    large = {
        "summary": {"users": 10_000, "length": 2048},
        "learner": {"embedding_size": 1024, "max_length": 2048},
    }
    told = problem(submit(api, spec=large), 422, "invalid_spec")
    assert [fault["field"] for fault in told["errors"]] == ["summary.users"]

    evaluation = api.post(f"/jobs/{finished_job}/evaluations", json={}).json()
    with database.transaction() as session:
        session.get_one(Job, finished_job).spec = JobSpec.model_validate(large).model_dump(mode="json")
        row = session.get_one(Evaluation, evaluation["id"])
        row.spec = {**row.spec, **asked}
    assert api.get(f"/jobs/{finished_job}").json()["spec"]["summary"]["length"] == 2048
    shown = api.get(evaluation["links"]["self"]).json()["spec"]
    assert (shown["cutoffs"], shown["trend"]["layers"]) == (cutoffs, layers)
