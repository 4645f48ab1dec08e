"""Migrations of a database that holds what the first version wrote: up to the newest and back, nothing is lost."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, MetaData, Table, insert, select

from api.db import WRITES, Database
from api.migrate import current_revision, downgrade, newest_revision, upgrade
from api.models import Evaluation, Job, OutboxMessage, Project, SummaryArchive
from td3core.config import EvaluationSpec, JobSpec
from tests.formats.stored import FIXTURES

AT = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
FIRST = "0001"
SOME = 3

RUN: dict[str, Any] = {
    "tenant_id": "default",
    "created_at": AT,
    "state": "succeeded",
    "attempt": 2,
    "crashes": 1,
    "worker": "td3@somewhere",
    "lease_expires_at": None,
    "stage": "packing",
    "progress": 1.0,
    "step": 7,
    "steps": 7,
    "losses": {"outer": 5.5},
    "eta_seconds": 0.0,
    "error": None,
    "started_at": AT,
    "finished_at": AT,
}
ROWS: dict[str, list[dict[str, Any]]] = {
    "datasets": [
        {
            "id": f"ds_{n}",
            "tenant_id": "default",
            "created_at": AT,
            "name": "log.csv",
            "bytes": 2**40 + n,
            "sha256": "5" * 64,
            "storage_key": "default/logs/5",
            "profile": {"users": n},
        }
        for n in range(SOME)
    ],
    "jobs": [
        RUN | {"id": f"job_{n}", "dataset_id": f"ds_{n}", "spec": {"seed": n}, "metrics": {"teacher": {}}}
        for n in range(SOME)
    ]
    + [
        RUN
        | {"id": "job_waits", "dataset_id": "ds_0", "spec": {}, "metrics": None, "state": "queued"}
        | {"finished_at": None, "started_at": None, "worker": None, "losses": None}
    ],
    "summaries": [
        {
            "job_id": f"job_{n}",
            "tenant_id": "default",
            "created_at": AT,
            "bytes": 3,
            "sha256": f"{n}" * 64,
            "storage_key": f"default/summaries/{n}",
        }
        for n in range(SOME)
    ],
    "evaluations": [RUN | {"id": "eval_0", "job_id": "job_0", "spec": {}, "result": {"results": {}}}],
    "outbox": [{"run_id": "job_waits", "task": "td3.distil", "sends": 1, "due_at": AT}],
}


@pytest.fixture
def filled(database_url: str) -> Iterator[Database]:
    """A database as the first version left it."""
    database = Database(database_url)
    upgrade(database.engine, FIRST)
    with database.engine.execution_options(**WRITES).begin() as connection:
        tables = reflected(connection)
        for name, rows in ROWS.items():
            connection.execute(insert(tables[name]), rows)
    yield database
    database.close()


def reflected(connection: Connection) -> dict[str, Table]:
    """The tables as they are, whatever the models say."""
    metadata = MetaData()
    metadata.reflect(connection)
    return metadata.tables  # type: ignore[return-value]


def contents(database: Database) -> dict[str, list[dict[str, Any]]]:
    """What the first version would see: its columns of its tables."""
    with database.engine.connect() as connection:
        tables = reflected(connection)
        found: dict[str, list[dict[str, Any]]] = {}
        for name, rows in ROWS.items():
            columns = [tables[name].c[column] for column in rows[0]]
            rows = connection.execute(select(*columns)).mappings()
            found[name] = [{key: in_utc(value) for key, value in row.items()} for row in rows]
    return found


def in_utc(value: Any) -> Any:
    """SQLite knows no time zones, and PostgreSQL may answer in its own."""
    if not isinstance(value, datetime):
        return value
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def test_rows_survive_the_way_up_and_are_what_the_models_say(filled: Database) -> None:
    upgrade(filled.engine)
    assert sorted_by_id(contents(filled)) == sorted_by_id(ROWS)
    with filled.reading() as session:
        jobs = {job.id: job for job in session.scalars(select(Job))}
        assert jobs["job_1"].dataset.bytes == 2**40 + 1
        assert jobs["job_1"].summary is not None
        assert jobs["job_1"].summary.expired_at is None
        assert jobs["job_waits"].state == "queued"
        assert jobs["job_waits"].summary is None
        assert jobs["job_waits"].reserved_bytes is None
        assert session.get_one(Project, "default").limits is None
        assert (jobs["job_1"].name, jobs["job_1"].labels, jobs["job_1"].pinned) == (None, {}, False)
        assert jobs["job_1"].deleted_at is None
        assert session.get_one(Evaluation, "eval_0").job is jobs["job_0"]
        assert session.get_one(OutboxMessage, "job_waits").due_at == AT
        assert len(session.scalars(select(SummaryArchive)).all()) == SOME


def test_the_way_back_keeps_what_the_first_version_knew(filled: Database) -> None:
    """Through every revision in between, and up again."""
    upgrade(filled.engine)
    newest = newest_revision()
    assert newest is not None
    for number in range(int(newest) - 1, int(FIRST) - 1, -1):
        downgrade(filled.engine, f"{number:04}")
        assert revision_of(filled) == f"{number:04}"
        assert sorted_by_id(contents(filled)) == sorted_by_id(ROWS)
    upgrade(filled.engine)
    assert revision_of(filled) == newest_revision()
    assert sorted_by_id(contents(filled)) == sorted_by_id(ROWS)


def test_the_way_back_leaves_out_of_specs_what_the_first_version_did_not_know(filled: Database) -> None:
    upgrade(filled.engine)
    spec = JobSpec().model_dump(mode="json")
    assert "targets" in spec["inner"]
    own = ["summary", "full_own_embedding", "of_the_future"]
    evaluation = EvaluationSpec().model_dump(mode="json") | {"sources": own, "of_the_future": 1}
    with filled.transaction() as session:
        session.get_one(Job, "job_1").spec = spec | {"of_the_future": {"a": 1}}
        session.get_one(Evaluation, "eval_0").spec = evaluation
    downgrade(filled.engine, "0009")
    with filled.engine.connect() as connection:
        tables = reflected(connection)
        jobs = dict(connection.execute(select(tables["jobs"].c.id, tables["jobs"].c.spec)).all())
        former = connection.execute(select(tables["evaluations"].c.spec)).scalar_one()
    del spec["inner"]["targets"], spec["summary"]["precision"], spec["summary"]["start"]
    spec["inner"] |= {"learners": 1, "steps": 20}
    assert jobs["job_1"]["inner"] == spec["inner"]
    assert jobs["job_1"]["summary"] == spec["summary"]
    first = json.loads((FIXTURES / "0.1.0" / "rows.json").read_text())["tables"]["jobs"][0]["spec"]
    known = json.loads(first)  # a whole spec, as the first release stored it
    assert jobs["job_1"].keys() == known.keys()
    assert jobs["job_1"]["teacher"].keys() == known["teacher"].keys()
    assert jobs["job_2"] == {"seed": 2}
    assert former["sources"] == ["summary", "own_full"]
    assert "of_the_future" not in former


def sorted_by_id(tables: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {
        name: sorted(rows, key=lambda row: row.get("id") or row.get("job_id") or row["run_id"])
        for name, rows in tables.items()
    }


def revision_of(database: Database) -> str | None:
    with database.engine.connect() as connection:
        return current_revision(connection)
