"""What the command line tells of how a log was read."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import RUN, td3
from tests.support.scripted_service import Answer, ScriptedService

READING: dict[str, Any] = {
    "whole": True,
    "format": "csv",
    "compression": "gzip",
    "separator": ";",
    "columns": {"user": "who", "item": "what", "timestamp": "ts"},
    "passed_over": ["price", "[bold]"],
    "time_unit": "seconds",
    "first_time": "2020-01-02T03:04:05Z",
    "last_time": "2021-01-02T03:04:05Z",
    "users": 3000,
    "items": 20,
    "interactions": 24000,
    "dropped": [{"filter": "repeats", "share": 0.5}, {"filter": "too_short", "share": 0.125}],
    "kept_share": 0.375,
    "ties": 0.25,
    "warnings": [{"code": "many_ties", "detail": "25.0% of the interactions."}],
}
WHOLE = [
    "log: 24,000 interactions of 3,000 users with 20 items, csv compressed by gzip separated by semicolons",
    "columns: who as user, what as item, ts as timestamp; not used: price, [bold]",
    "time: seconds, 2020-01-02 to 2021-01-02, 25.0% ties",
    "kept: 37.5% of the interactions (dropped: repeats 50.0%, too_short 12.5%)",
    "warning: many_ties: 25.0% of the interactions.",
]
PLAIN = {
    **READING,
    "whole": False,
    "format": "jsonl",
    "compression": None,
    "separator": None,
    "passed_over": [],
    "time_unit": None,
    "first_time": None,
    "last_time": None,
    "dropped": [],
    "kept_share": 1.0,
    "ties": None,
    "warnings": [],
}
HEAD = [
    "log: only the beginning was read: 24,000 interactions of 3,000 users with 20 items, jsonl",
    "columns: who as user, what as item, ts as timestamp",
    "time: none, the order of the file counts",
    "kept: 100.0% of the interactions",
]


def submitted(
    scripted: ScriptedService, log: Path, first: Any, *then: Any, wait: bool = False
) -> subprocess.CompletedProcess[str]:
    def job(reading: Any, state: str) -> dict[str, Any]:
        return {**RUN, "state": state, "dataset": {"name": "log.csv", "reading": reading}}

    log.write_text("user,item\n")
    scripted.script = {
        "POST /v1/jobs": [Answer.json(job(first, "queued"), status=202)],
        "GET /v1/jobs/job_1": [Answer.json(job(reading, "succeeded")) for reading in then],
    }
    return td3("submit", str(log), *(["--wait"] if wait else []), url=scripted.url)


@pytest.mark.parametrize(
    ("reading", "lines"), [(READING, WHOLE), (PLAIN, HEAD), (None, [])], ids=["whole", "head", "none"]
)
def test_submit_tells_on_stderr(
    scripted: ScriptedService, tmp_path: Path, reading: Any, lines: list[str]
) -> None:
    done = submitted(scripted, tmp_path / "log.csv", reading)
    assert (done.returncode, done.stdout.splitlines(), done.stderr.splitlines()) == (0, ["job_1"], lines)


@pytest.mark.parametrize(
    ("first", "told"), [(PLAIN, [*HEAD, *WHOLE]), (READING, WHOLE)], ids=["head", "whole"]
)
def test_waiting_tells_of_the_whole_log_once(
    scripted: ScriptedService, tmp_path: Path, first: Any, told: list[str]
) -> None:
    done = submitted(scripted, tmp_path / "log.csv", first, READING, wait=True)
    assert (done.returncode, done.stderr.splitlines()) == (0, told)


def test_the_event_names_the_warnings(scripted: ScriptedService) -> None:
    event = {"seq": 2, "at": "2026-01-02T03:04:05Z", "attempt": 0, "kind": "reading", "data": READING}
    page = {"items": [event], "next_after": 2, "ended": True}
    scripted.script = {"GET /v1/jobs/job_1/events?after=0": [Answer.json(page)]}
    done = td3("events", "job_1", url=scripted.url)
    assert done.stdout.splitlines()[0].endswith("reading       the log was read, many_ties"), done.stderr
