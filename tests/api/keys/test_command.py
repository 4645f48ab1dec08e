import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from api.access.scopes import Scope
from api.db import Database
from api.errors import InvalidKeyError
from api.keys import secret
from api.keys.service import LOCAL_KEY, principal_of
from api.models import ApiKey
from tests.support.access import add_project

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


def command(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"TD3_DATABASE_URL": url, "PYTHONPATH": str(Path(__file__).parents[3])}
    return subprocess.run(
        [sys.executable, "-m", "api.keys", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_creates_and_revokes_a_key(database: Database, migrated_url: str) -> None:
    created = command(migrated_url, "create", "--name", "operations", "--role", "platform")
    assert re.fullmatch(r"td3_\w{36}\n", created.stdout), created.stderr
    text = created.stdout.strip()
    assert text not in created.stderr
    with database.reading() as session:
        principal = principal_of(session, text)
    assert principal.scopes == frozenset(Scope)
    assert principal.project == "default"
    assert principal.key_id is not None
    assert principal.key_id in created.stderr

    assert command(migrated_url, "revoke", principal.key_id).returncode == 0
    with database.reading() as session, pytest.raises(InvalidKeyError, match="revoked"):
        principal_of(session, text)


def test_it_creates_a_key_of_another_project_for_some_days(database: Database, migrated_url: str) -> None:
    project = add_project(database)
    options = ("--scope", "jobs:read", "--scope", "jobs:write", "--project", project, "--days", "0.5")
    created = command(migrated_url, "create", "--name", "CI", *options)
    with database.reading() as session:
        principal = principal_of(session, created.stdout.strip())
    assert principal.project == project
    assert principal.scopes == {Scope.JOBS_READ, Scope.JOBS_WRITE}
    with database.reading() as session:
        row = session.get_one(ApiKey, principal.key_id)
        assert row.expires_at - row.created_at == timedelta(hours=12)


def test_it_makes_a_key_that_only_its_owner_has(database: Database, migrated_url: str) -> None:
    made = command(migrated_url, "make")
    text, named = made.stdout.strip(), made.stderr.strip()
    assert named == f"TD3_FIRST_ADMIN_SHA256={secret.digest(text)}"
    assert secret.is_well_formed(text)
    with database.reading() as session:
        assert session.scalars(select(ApiKey)).all() == []


def test_the_key_of_the_embedded_service_is_one_that_is_made_anew(
    database: Database, migrated_url: str
) -> None:
    texts = list[str]()
    for _ in range(3):
        made = command(migrated_url, "local")
        assert re.fullmatch(r"td3_\w{36}\n", made.stdout), made.stderr
        texts.append(made.stdout.strip())
        with database.reading() as session:
            principal = principal_of(session, texts[-1])
            rows = session.scalars(select(ApiKey)).all()
        assert (principal.scopes, principal.project) == (frozenset(Scope), "default")
        assert [row.id for row in rows] == [LOCAL_KEY]
        for former in texts[:-1]:
            with database.reading() as session, pytest.raises(InvalidKeyError, match="not known"):
                principal_of(session, former)
        assert command(migrated_url, "revoke", LOCAL_KEY).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["create", "--name", "x"], "one of the arguments --role --scope is required"),
        (["create", "--name", "x", "--role", "king"], "invalid choice: 'king'"),
        (
            ["create", "--name", "x", "--role", "admin", "--days", "0"],
            "expected more than 0 and at most 3650",
        ),
        (
            ["create", "--name", "x", "--role", "admin", "--project", "nobody"],
            "The project nobody does not exist",
        ),
        (["revoke", "key_1"], "The key key_1 does not exist"),
    ],
)
def test_it_says_what_is_wrong(migrated_url: str, arguments: list[str], reason: str) -> None:
    done = command(migrated_url, *arguments)
    assert done.returncode != 0
    assert reason in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_it_says_that_the_database_has_no_tables_yet(migrated_url: str, tmp_path: Path) -> None:
    done = command(f"sqlite:///{tmp_path}/empty.sqlite3", "create", "--name", "x", "--role", "admin")
    assert "python -m api.migrate" in done.stderr
    assert "Traceback" not in done.stderr
