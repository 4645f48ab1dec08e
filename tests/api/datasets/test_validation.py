"""Validation in a process of its own: what a log can do to the API, which is nothing."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import psutil
import pytest
from pydantic import ByteSize

from api.datasets.validation import validate_apart
from api.db import Database
from api.settings import Settings
from td3core.config import DataConfig
from td3core.errors import InvalidLogError, LogTooLargeError
from td3core.interactions import Limits, LogStudy, validate_log
from tests.support.interaction_logs import LOG
from tests.support.live_api import running_api
from tests.support.problems import problem
from tests.support.submissions import nothing_left, submit
from tests.support.waiting import wait_until

on_sqlite = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


def validate(path: Path, **options: Any) -> Any:
    usual = {"name": None, "head_bytes": None, "limits": Limits(), "memory_bytes": 1 << 30, "seconds": 60}
    return validate_apart(path, DataConfig(), **{**usual, **options})


@pytest.fixture
def costly(tmp_path: Path) -> Path:
    """A small Parquet file whose one batch of rows has a gigabyte of text."""
    path = tmp_path / "log.parquet"
    long = pl.Series("user", ["u" * 1000], dtype=pl.String).new_from_index(0, 1_000_000)
    pl.DataFrame([long, pl.Series("item", range(1_000_000))]).write_parquet(path, row_group_size=1_000_000)
    assert path.stat().st_size < 10_000_000
    return path


@pytest.mark.parametrize(
    "content", [LOG, LOG + "x\n" * 5, "a,b\n1,2\n", LOG[:60]], ids=["good", "bad rows", "no columns", "small"]
)
def test_it_says_what_the_reader_says(tmp_path: Path, content: str) -> None:
    path = tmp_path / "log"
    path.write_text(content)
    assert _outcome(lambda: validate(path, name="log.csv")) == _outcome(
        lambda: validate_log(path, DataConfig(), name="log.csv")
    )


def test_a_log_that_takes_too_much_memory_ends_its_own_process_only(costly: Path) -> None:
    with pytest.raises(LogTooLargeError, match=r"the log takes more than 300,000,000 bytes of memory"):
        validate(costly, memory_bytes=300_000_000)


def test_a_log_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    """A pipe nobody writes to: reading it takes for ever."""
    path = tmp_path / "log.csv"
    os.mkfifo(path)
    with pytest.raises(LogTooLargeError, match=r"the log takes more than 0\.5 s to validate"):
        validate(path, seconds=0.5)
    assert not _validating()


def test_a_fault_of_the_reader_is_told_with_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)the reader failed: Traceback.*FileNotFoundError"):
        validate(tmp_path / "missing")


@on_sqlite
def test_a_process_that_is_killed_is_a_refusal_and_the_next_one_starts(
    settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "log.csv"
    os.mkfifo(path)
    refusals: list[InvalidLogError] = []

    def wait_for_it() -> None:
        with pytest.raises(InvalidLogError) as caught:
            validate(path)
        refusals.append(caught.value)

    waiting = threading.Thread(target=wait_for_it)
    waiting.start()
    wait_until(lambda: bool(_validating()))
    for process in _validating():
        process.kill()
    waiting.join(30)
    assert [type(error) for error in refusals] == [LogTooLargeError]
    with running_api(settings) as api:
        assert submit(api).status_code == 202


@on_sqlite
def test_the_api_stays_small_and_quick_beside_a_log_that_is_neither(
    settings: Settings, costly: Path, database: Database
) -> None:
    """The log is read in whole, and then its beginning; both end in the limit, and the log is refused."""
    limited = settings.model_copy(
        update={
            "max_upload_bytes": ByteSize(1 << 30),
            "validate_whole_bytes": ByteSize(1 << 30),
            "validate_head_bytes": ByteSize(1 << 30),
            "validation_memory_bytes": ByteSize(300_000_000),
        }
    )
    before = psutil.Process().memory_info().rss
    with running_api(limited) as api:
        answers: list[httpx.Response] = []
        sending = threading.Thread(
            target=lambda: answers.append(submit(api, costly.read_bytes(), name="log.parquet"))
        )
        sending.start()
        while sending.is_alive():
            assert api.get("/healthz", timeout=5).status_code == 200
        sending.join()
        problem(answers[0], 422, "log_too_large")
        assert psutil.Process().memory_info().rss - before < 200_000_000
        assert nothing_left(limited, database)
        assert submit(api).status_code == 202


@on_sqlite
def test_a_number_of_too_many_digits_is_a_bad_row(api: httpx.Client) -> None:
    log = '{"user": 1, "item": 2}\n{"user": 1, "item": %s}\n' % ("9" * 4301)
    body = problem(submit(api, log, name="log.jsonl"), 422, "bad_rows")
    assert body["errors"][0]["reason"] == "a number has more than 4,300 digits"


@on_sqlite
def test_at_most_as_many_columns_as_set(settings: Settings) -> None:
    with running_api(settings.model_copy(update={"max_columns": 2})) as api:
        body = problem(submit(api), 422, "unreadable_log")
    assert body["detail"] == "the log has 3 columns; expected at most 2"


def _outcome(validation: Callable[[], LogStudy]) -> Any:
    """What is known of the log, or all that a refusal has."""
    try:
        return validation()
    except InvalidLogError as error:
        return type(error), str(error), error.problems, error.total


def _validating() -> list[psutil.Process]:
    """Processes that validate: children of the server process that forks them."""
    return [
        child
        for server in psutil.Process().children()
        if "forkserver" in " ".join(server.cmdline())
        for child in server.children()
        if child.status() != psutil.STATUS_ZOMBIE
    ]
