"""Logs that are refused until the spec says how they are read."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.interaction_logs import LOG
from tests.support.problems import problem
from tests.support.submissions import submit

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


@pytest.mark.parametrize(
    ("log", "code", "where", "data"),
    [
        (
            LOG.split("\n", 1)[1].replace("u", "").replace("i", ""),
            "unreadable_log",
            {"line": 1, "field": "data.header"},
            {"header": ["user", "item", "ts"]},
        ),
        (
            LOG.replace(",", "::"),
            "unreadable_log",
            {"line": 1, "field": "data.separator", "value": "user_id::item_id::timestamp"},
            {"separator": "::"},
        ),
        (
            LOG.replace("timestamp", "order_number"),
            "missing_column",
            {"column": "order_number", "field": "data.columns.timestamp"},
            {"columns": {"timestamp": "order_number"}},
        ),
        (
            LOG.replace("timestamp", "order_number"),
            "missing_column",
            {"column": "order_number", "field": "data.columns.timestamp"},
            {"columns": {"timestamp": "none"}},
        ),
        (
            LOG + "NA,i1,3\n",
            "bad_rows",
            {"line": LOG.count("\n") + 1, "column": "user_id", "value": "NA"},
            {"null_ids": "keep", "min_user_interactions": 3},
        ),
    ],
    ids=["no header", "separator", "a time by its name", "no timestamp", "a missing value"],
)
def test_the_refusal_names_the_field_that_helps(
    api: httpx.Client, log: str, code: str, where: dict[str, Any], data: dict[str, Any]
) -> None:
    (error,) = problem(submit(api, log), 422, code)["errors"]
    reason = error.pop("reason")
    assert error == where
    assert "field" in where or "data.null_ids" in reason
    accepted = submit(api, log, spec={"data": data})
    assert accepted.status_code == 202, accepted.text
    assert accepted.json()["dataset"]["profile"]["users"] == 30


def test_exact_repeats_are_counted_in_the_report(api: httpx.Client) -> None:
    twice = LOG + LOG.split("\n", 1)[1]
    dataset = submit(api, twice).json()["dataset"]
    assert dataset["profile"]["interactions"] == 240
    assert [(one["filter"], one["interactions"]) for one in dataset["reading"]["dropped"]] == [
        ("repeats", 240)
    ]
    kept = submit(api, twice, spec={"data": {"repeats": "keep"}}).json()["dataset"]
    assert (kept["profile"]["interactions"], kept["reading"]["dropped"]) == (480, [])


def test_the_command_line_passes_the_refusal_on(api: httpx.Client, tmp_path: Path) -> None:
    log = tmp_path / "events.csv"
    log.write_text(LOG.replace("timestamp", "order_number"), encoding="utf-8")

    def submitted(spec: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        (tmp_path / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
        url = str(api.base_url).removesuffix("/")
        command = [sys.executable, "-m", "td3client", "submit", str(log), "--url", url]
        command += ["--spec", str(tmp_path / "spec.json")]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    refused = submitted({})
    assert refused.returncode == 1
    assert "set data.columns.timestamp" in refused.stderr
    accepted = submitted({"data": {"columns": {"timestamp": "order_number"}}})
    assert (accepted.returncode, accepted.stdout[:4]) == (0, "job_"), accepted.stderr
