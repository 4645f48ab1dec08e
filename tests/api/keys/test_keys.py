from datetime import timedelta

import pytest

from api.access.scopes import ROLES, Scope
from api.db import Database
from api.errors import InvalidKeyError, KeyNotFoundError, KeyNotRotatableError
from api.keys import secret, service
from api.keys.service import NewKey
from api.models import DEFAULT_TENANT, ApiKey
from tests.support.access import add_project, key_row, new_key, revoke


def valid(database: Database, key: NewKey) -> bool:
    with database.reading() as session:
        try:
            service.principal_of(session, key.secret)
        except InvalidKeyError:
            assert not service.is_valid(session, key.row.id)
            return False
        assert service.is_valid(session, key.row.id)
        return True


def rotate(database: Database, key: NewKey, *, overlap: timedelta = timedelta(days=1)) -> NewKey:
    with database.transaction() as session:
        return service.rotate(session, key.row.id, tenant_id=key.row.tenant_id, overlap=overlap)


def test_a_key_tells_its_project_and_scopes(database: Database) -> None:
    key = new_key(database, ROLES["viewer"], project=add_project(database))
    with database.reading() as session:
        principal = service.principal_of(session, key.secret)
    assert principal.project == key.row.tenant_id != DEFAULT_TENANT
    assert principal.scopes == {Scope.DATASETS_READ, Scope.JOBS_READ, Scope.SUMMARIES_READ}
    assert principal.key_id == key.row.id
    assert principal.expires_at == key.row.created_at + timedelta(days=90)


def test_the_text_is_not_stored(database: Database) -> None:
    key = new_key(database)
    row = key_row(database, key)
    stored = {column.name: getattr(row, column.name) for column in ApiKey.__table__.columns}
    assert stored["sha256"] == secret.digest(key.secret)
    assert stored["last_characters"] == key.secret[-4:]
    assert key.secret[4:-4] not in str(stored)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("td3_", "incomplete or mistyped"),
        ("\x00", "incomplete or mistyped"),
        pytest.param(secret.new_secret(), "not known", id="unknown"),
    ],
)
def test_what_is_no_key_of_ours(database: Database, text: str, reason: str) -> None:
    with database.reading() as session, pytest.raises(InvalidKeyError, match=reason):
        service.principal_of(session, text)


def test_an_expired_key_is_not_valid(database: Database) -> None:
    key = new_key(database, lifetime=timedelta(0))
    assert not valid(database, key)
    with database.reading() as session, pytest.raises(InvalidKeyError, match=f"{key.row.id} has expired"):
        service.principal_of(session, key.secret)


def test_a_revoked_key_is_not_valid(database: Database) -> None:
    key = new_key(database)
    assert valid(database, key)
    revoke(database, key)
    revoked_at = key_row(database, key).revoked_at
    assert not valid(database, key)
    revoke(database, key)
    assert key_row(database, key).revoked_at == revoked_at


def test_two_keys_are_valid_while_one_replaces_the_other(database: Database) -> None:
    former = new_key(database, ROLES["viewer"])
    latter = rotate(database, former)
    assert valid(database, former)
    assert valid(database, latter)
    assert (latter.row.name, set(latter.row.scopes)) == ("test", ROLES["viewer"])
    assert latter.row.replaces == former.row.id
    assert key_row(database, former).expires_at - latter.row.created_at < timedelta(days=1, seconds=1)
    assert latter.row.expires_at - latter.row.created_at == service.LIFETIME
    for key in (former, latter):
        with pytest.raises(KeyNotRotatableError, match="both are valid"):
            rotate(database, key)
    revoke(database, former)
    assert valid(database, rotate(database, latter))


def test_a_key_whose_replacement_was_revoked_can_be_replaced_again(database: Database) -> None:
    former = new_key(database)
    revoke(database, rotate(database, former))
    assert valid(database, rotate(database, former, overlap=timedelta(0)))
    assert not valid(database, former)
    with pytest.raises(KeyNotRotatableError, match="no longer valid"):
        rotate(database, former)


def test_a_rotation_does_not_prolong_the_former_key(database: Database) -> None:
    former = new_key(database, lifetime=timedelta(hours=1))
    rotate(database, former)
    assert key_row(database, former).expires_at == former.row.expires_at


def test_another_projects_key_does_not_exist(database: Database) -> None:
    key = new_key(database)
    theirs = add_project(database)
    with database.transaction() as session:
        for operation in (service.get, service.revoke):
            with pytest.raises(KeyNotFoundError):
                operation(session, key.row.id, tenant_id=theirs)
        with pytest.raises(KeyNotFoundError):
            service.rotate(session, key.row.id, tenant_id=theirs, overlap=timedelta(0))
        assert service.page(session, tenant_id=theirs, limit=10, cursor=None).rows == []
    assert valid(database, key)
