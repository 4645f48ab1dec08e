"""A log that is validated: the report of a job, or its refusal, and nothing that stays."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.db import Database
from api.settings import Settings
from td3client import Client
from tests.support.interaction_logs import LOG, csv_log
from tests.support.problems import problem
from tests.support.submissions import nothing_left, submit

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
TWICE = LOG + LOG.split("\n", 1)[1]


def validate(api: httpx.Client, log: str, spec: Any = None) -> httpx.Response:
    data = {} if spec is None else {"spec": json.dumps(spec)}
    return api.post("/jobs/validate", files={"dataset": ("log.csv", log)}, data=data)


def test_the_answer_is_what_a_job_says_and_nothing_is_kept(
    api: httpx.Client, database: Database, settings: Settings
) -> None:
    answers = [validate(api, TWICE, spec) for spec in (None, {"data": {"repeats": "keep"}})]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert nothing_left(settings, database)
    dropped, kept = (answer.json() for answer in answers)
    assert (dropped["profile"]["interactions"], kept["profile"]["interactions"]) == (240, 480)
    assert [warning["code"] for warning in dropped["reading"]["warnings"]] == ["repeats_dropped"]
    dataset = submit(api, TWICE).json()["dataset"]
    del dataset["id"]
    assert dropped == dataset


@pytest.mark.parametrize(
    ("log", "spec", "code"),
    [
        (LOG + "ada\n", None, "bad_rows"),
        (LOG.replace("item_id", "thing"), None, "missing_column"),
        ("\n".join(LOG.splitlines()[:3]), None, "log_too_small"),
        (LOG, {"data": {"min_rating": "good"}}, "invalid_spec"),
        (LOG, {"data": {"min_item_interactions": 900}}, "log_too_small"),
    ],
)
def test_it_is_refused_as_a_job_is(api: httpx.Client, log: str, spec: Any, code: str) -> None:
    refused = [
        problem(answer, 422, code) for answer in (validate(api, log, spec), submit(api, log, spec=spec))
    ]
    for body in refused:
        body.pop("instance", None)
        body.pop("request_id", None)
    assert refused[0] == refused[1]
    assert refused[0]["errors"] or code == "log_too_small"


def test_of_a_large_log_the_beginning_is_reported_on(api: httpx.Client, settings: Settings) -> None:
    log = csv_log(users=3000, length=40)
    assert len(log) > settings.validate_whole_bytes
    body = validate(api, log).json()
    assert (body["profile"], body["reading"]["whole"]) == (None, False)
    assert 0 < body["reading"]["interactions"] < 120_000


def test_the_client_and_the_command_line_tell_it(api: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(TWICE, encoding="utf-8")
    url = str(api.base_url).removesuffix("/").removesuffix("/v1")
    with Client(url) as client:
        assert client.validate(path) == validate(api, TWICE).json()

    def td3(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "td3client", "validate", str(path), "--url", url, *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    told = td3()
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.splitlines()[0].startswith("log: 480 interactions of 30 users with")
    assert "warning: repeats_dropped: 240 rows (50.0%) were dropped" in told.stdout
    assert "repeats_dropped" not in td3("--spec", '{"data": {"repeats": "keep"}}').stdout
    path.write_text(LOG + "ada\n", encoding="utf-8")
    refused = td3()
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "expected 3 fields" in refused.stderr
    assert len(api.get("/jobs").json()["items"]) == 0
