import pytest

from api.access.scopes import OF_A_PROJECT, OF_THE_SERVICE, ROLES, Scope, granted


def test_an_administrator_may_do_everything_within_the_project() -> None:
    assert granted(["admin"]) == OF_A_PROJECT
    assert granted(["admin", "metrics:read"]) == OF_A_PROJECT | {Scope.METRICS_READ}


def test_a_platform_administrator_may_do_everything() -> None:
    assert granted(["platform"]) == frozenset(Scope) == OF_A_PROJECT | OF_THE_SERVICE


@pytest.mark.parametrize("scope", sorted(frozenset(Scope) - {Scope.ADMIN, Scope.PLATFORM}))
def test_every_other_scope_includes_nothing_else(scope: Scope) -> None:
    assert granted([scope]) == {scope}


def test_a_scope_of_a_later_version_gives_nothing() -> None:
    assert granted(["jobs:read", "of_the:future"]) == {Scope.JOBS_READ}


def test_each_role_may_do_more_than_the_one_before() -> None:
    viewer, member, admin, platform = (
        granted(ROLES[role]) for role in ("viewer", "member", "admin", "platform")
    )
    assert viewer < member < admin < platform
    assert all(scope.endswith(":read") for scope in viewer)
