import threading
from collections.abc import Callable

import pytest
from sqlalchemy import select, update

from api.db import Database
from api.models import DEFAULT_TENANT, Job, OutboxMessage, RunState
from api.runs import claims
from api.runs.cancel import request_cancel
from api.settings import Settings
from td3core.errors import BadRowsError, DivergedError, LogProblem
from tests.support.attempts import report, succeed
from tests.support.events import log_of
from tests.support.jobs import job
from tests.support.outages import closed_to_all
from worker.execute import Attempt, Finish, Handler, execute


@pytest.fixture
def quick(settings: Settings) -> Settings:
    """Settings whose leases run out while a test can wait."""
    return settings.model_copy(update={"lease_seconds": 1.0, "heartbeat_seconds": 0.1})


def run(settings: Settings, run_id: str, work: Handler, *, stopping: bool = False) -> RunState | None:
    return execute(Job, run_id, {Job: work}, settings=settings, worker="w1", stopping=lambda: stopping)


def raising(error: Exception) -> Handler:
    def work(attempt: Attempt) -> Finish:
        report(attempt)
        raise error

    return work


def test_work_that_ends_well(database: Database, queued_job: str, settings: Settings) -> None:
    seen: list[Job] = []
    files: list[object] = []

    def work(attempt: Attempt) -> Finish:
        (attempt.folder / "log").write_text("x")
        files.append(attempt.folder)
        finish = succeed(attempt)
        seen.append(job(database, queued_job))
        return finish

    assert run(settings, queued_job, work) is RunState.SUCCEEDED
    assert (seen[0].state, seen[0].stage, seen[0].step, seen[0].losses, seen[0].worker) == (
        RunState.RUNNING,
        "distilling",
        1,
        {"outer": 2.5},
        "w1",
    )
    row = job(database, queued_job)
    assert (row.state, row.metrics, row.progress) == (RunState.SUCCEEDED, {"ndcg@10": 0.5}, 1.0)
    assert files
    assert list(settings.work_dir.iterdir()) == []


def test_a_duplicate_message_does_no_work(database: Database, queued_job: str, settings: Settings) -> None:
    assert run(settings, queued_job, succeed) is RunState.SUCCEEDED
    assert run(settings, queued_job, raising(AssertionError("it ran twice"))) is None
    assert job(database, queued_job).attempt == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DivergedError(), {"code": "diverged", "detail": "Training diverged."}),
        (
            BadRowsError("1 bad row", [LogProblem("not a number", line=3, column="rating", value="x")]),
            {
                "code": "bad_rows",
                "detail": "1 bad row",
                "errors": [{"line": 3, "column": "rating", "value": "x", "reason": "not a number"}],
                "total_errors": 1,
            },
        ),
        (
            MemoryError(),
            {"code": "out_of_memory", "detail": "The run needs more memory than its worker has."},
        ),
        (
            ZeroDivisionError("secret path"),
            {
                "code": "internal_error",
                "detail": "An unexpected error occurred; the log of the worker has the details.",
            },
        ),
    ],
)
def test_errors_end_the_run_with_their_code(
    database: Database, queued_job: str, settings: Settings, error: Exception, expected: dict[str, object]
) -> None:
    assert run(settings, queued_job, raising(error)) is RunState.FAILED
    row = job(database, queued_job)
    assert (row.state, row.error, row.metrics) == (RunState.FAILED, expected, None)
    assert list(settings.work_dir.iterdir()) == []


def test_stages_and_validations_are_logged_and_ordinary_steps_are_not(
    database: Database, queued_job: str, settings: Settings
) -> None:
    def work(attempt: Attempt) -> Finish:
        score: dict[str, float] = {}
        for step in range(1, 7):
            if step % 3 == 0:
                score = {"ndcg@10": step / 10}
            attempt.watch.report(
                stage="distilling",
                progress=0.0,
                step=step,
                steps=6,
                losses={"outer": 1 / step},
                scores=score,
                eta_seconds=None,
            )
        report(attempt, stage="packing")
        return lambda session, held: claims.succeed(session, held, metrics={})

    assert run(settings, queued_job, work) is RunState.SUCCEEDED
    logged = [(event.kind, event.data.get("step")) for event in log_of(database, queued_job)]
    assert logged == [
        ("claimed", None),
        ("stage", 1),
        ("metrics", 3),
        ("metrics", 6),
        ("stage", 1),
        ("succeeded", None),
    ]


def test_losses_and_scores_stay_until_there_are_others(
    database: Database, queued_job: str, settings: Settings
) -> None:
    """And go together: the teacher's score is none of the distillation."""

    def work(attempt: Attempt) -> Finish:
        for stage, losses, scores in (
            ("teacher", {"train": 3.0}, {"ndcg@10": 0.3}),
            ("distilling", {"outer": 2.5}, {}),
            ("packing", {}, {}),
        ):
            attempt.watch.report(
                stage=stage, progress=0.0, step=1, steps=6, losses=losses, scores=scores, eta_seconds=None
            )
        return lambda session, held: claims.succeed(session, held, metrics={})

    assert run(settings, queued_job, work) is RunState.SUCCEEDED
    logged = [event.data for event in log_of(database, queued_job) if event.kind == "stage"]
    assert [(data["losses"], data["scores"]) for data in logged] == [
        ({"train": 3.0}, {"ndcg@10": 0.3}),
        ({"outer": 2.5}, {}),
        ({"outer": 2.5}, {}),
    ]


def test_a_cancel_is_honoured_at_the_very_next_report(
    database: Database, queued_job: str, settings: Settings
) -> None:
    steps: list[int] = []

    def work(attempt: Attempt) -> Finish:
        for step in range(1, 10):
            report(attempt, step=step)
            steps.append(step)
            if step == 3:
                with database.transaction() as session:
                    request_cancel(session, Job, queued_job, tenant_id=DEFAULT_TENANT)
        raise AssertionError("it went on")

    assert run(settings, queued_job, work) is RunState.CANCELLED
    assert steps == [1, 2, 3]
    assert job(database, queued_job).state is RunState.CANCELLED


def test_a_cancel_at_the_last_moment_keeps_nothing(
    database: Database, queued_job: str, settings: Settings
) -> None:
    def work(attempt: Attempt) -> Finish:
        finish = succeed(attempt)
        with database.transaction() as session:
            request_cancel(session, Job, queued_job, tenant_id=DEFAULT_TENANT)
        return finish

    assert run(settings, queued_job, work) is RunState.CANCELLED
    assert job(database, queued_job).metrics is None


def test_a_stopping_worker_hands_the_run_back(
    database: Database, queued_job: str, settings: Settings
) -> None:
    assert run(settings, queued_job, succeed, stopping=True) is RunState.QUEUED
    row = job(database, queued_job)
    assert (row.state, row.attempt, row.crashes) == (RunState.QUEUED, 1, 0)
    with database.reading() as session:
        assert session.scalars(select(OutboxMessage.run_id)).all() == [queued_job]
    assert run(settings, queued_job, succeed) is RunState.SUCCEEDED


def supersede(database: Database, run_id: str) -> None:
    """What a keeper and another worker do when the lease has run out."""
    with database.transaction() as session:
        session.execute(
            update(Job).where(Job.id == run_id).values(attempt=Job.attempt + 1, worker="w2", stage="theirs")
        )


@pytest.mark.parametrize("then", [report, lambda attempt: None])
def test_a_superseded_run_stops_without_a_trace(
    database: Database, queued_job: str, settings: Settings, then: Callable[[Attempt], None]
) -> None:
    def work(attempt: Attempt) -> Finish:
        finish = succeed(attempt)
        supersede(database, queued_job)
        then(attempt)
        return finish

    assert run(settings, queued_job, work) is None
    row = job(database, queued_job)
    assert (row.state, row.attempt, row.worker, row.stage) == (RunState.RUNNING, 2, "w2", "theirs")
    assert row.metrics is None
    assert list(settings.work_dir.iterdir()) == []


def test_the_heartbeat_keeps_a_silent_run_alive(database: Database, queued_job: str, quick: Settings) -> None:
    leases: list[object] = []

    def work(attempt: Attempt) -> Finish:
        leases.append(job(database, queued_job).lease_expires_at)
        threading.Event().wait(1.5)  # longer than a lease, without one report
        leases.append(job(database, queued_job).lease_expires_at)
        return succeed(attempt)

    assert run(quick, queued_job, work) is RunState.SUCCEEDED
    assert leases[0] < leases[1]  # type: ignore[operator]


def test_the_heartbeat_notices_that_the_run_is_lost(
    database: Database, queued_job: str, quick: Settings
) -> None:
    def work(attempt: Attempt) -> Finish:
        supersede(database, queued_job)
        threading.Event().wait(0.5)
        with pytest.raises(claims.LeaseLostError):
            attempt.watch._lease.check()
        return succeed(attempt)

    assert run(quick, queued_job, work) is None


@pytest.mark.parametrize("migrated_url", ["postgres"], indirect=True)
def test_a_run_outlives_a_short_outage_of_the_database(
    database: Database, queued_job: str, settings: Settings
) -> None:
    settings = settings.model_copy(update={"lease_seconds": 30.0, "heartbeat_seconds": 0.1})
    back = threading.Event()

    def work(attempt: Attempt) -> Finish:
        report(attempt)
        outage = closed_to_all(settings.database_url)
        outage.__enter__()
        report(attempt, stage="packing")  # goes unwritten
        threading.Timer(0.5, lambda: (outage.__exit__(None, None, None), back.set())).start()
        return lambda session, held: claims.succeed(session, held, metrics={"ndcg@10": 0.5})

    assert run(settings, queued_job, work) is RunState.SUCCEEDED
    assert back.is_set()
    row = job(database, queued_job)
    assert (row.state, row.attempt, row.stage) == (RunState.SUCCEEDED, 1, "distilling")


@pytest.mark.parametrize("migrated_url", ["postgres"], indirect=True)
def test_a_run_that_cannot_reach_the_database_for_a_lease_gives_up(
    database: Database, queued_job: str, settings: Settings
) -> None:
    settings = settings.model_copy(update={"lease_seconds": 1.0, "heartbeat_seconds": 0.1})

    def work(attempt: Attempt) -> Finish:
        with closed_to_all(settings.database_url):
            for _ in range(100):
                report(attempt)
                threading.Event().wait(0.1)
        raise AssertionError("it went on without a lease")

    assert run(settings, queued_job, work) is None
    row = job(database, queued_job)
    assert (row.state, row.metrics) == (RunState.RUNNING, None)
