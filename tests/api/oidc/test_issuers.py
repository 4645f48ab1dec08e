import json
from typing import Any

import pytest

from api.errors import SettingsError
from api.oidc.issuers import Grant, Issuer, Rule
from api.settings import load_settings

TRUST: dict[str, Any] = {"issuer": "https://login.example.com/", "audience": "td3"}


def fits(claims: dict[str, Any], **wanted: str | bool | int) -> bool:
    named = {name.replace("__", "."): value for name, value in wanted.items()}
    return Rule(claims=named, role="platform").fits(claims)


def test_a_rule_wants_every_claim() -> None:
    claims = {"repository": "acme/recsys", "ref": "refs/heads/main", "run": 7}
    assert fits(claims, repository="acme/recsys", ref="refs/heads/main")
    assert fits(claims, run=7)
    assert not fits(claims, repository="acme/recsys", ref="refs/heads/other")
    assert not fits(claims, repository="acme/recsys", environment="production")
    assert not fits(claims, repository="acme/recsy")


def test_a_list_has_what_is_in_it() -> None:
    assert fits({"groups": ["a", "b"]}, groups="b")
    assert not fits({"groups": ["a", "b"]}, groups="c")
    assert not fits({"groups": [["b"]]}, groups="b")
    assert not fits({"groups": {"b": 1}}, groups="b")
    assert not fits({"groups": "a,b"}, groups="b")


def test_a_claim_may_be_within_another_unless_one_is_called_so() -> None:
    assert fits({"realm_access": {"roles": ["a"]}}, realm_access__roles="a")
    assert not fits({"realm_access": {"roles": ["a"]}, "realm_access.roles": []}, realm_access__roles="a")
    assert not fits({"realm_access": "roles"}, realm_access__roles="a")


def test_a_truth_value_is_no_number_and_no_text() -> None:
    assert fits({"email_verified": True}, email_verified=True)
    for other in (1, "true", "True", [1], None):
        assert not fits({"email_verified": other}, email_verified=True)
    assert not fits({"run": True}, run=1)
    assert not fits({"run": 1.0}, run=1)


def test_an_issuer_gives_the_roles_of_all_rules_that_fit() -> None:
    rules = [
        Rule(claims={"groups": "a"}, role="viewer", project="proj_1"),
        Rule(claims={"groups": "b"}, role="admin", project="proj_1"),
        Rule(claims={"groups": "c"}, role="platform"),
    ]
    issuer = Issuer(**TRUST, rules=rules)
    assert list(issuer.grants({"groups": ["c", "a"]})) == [Grant("proj_1", "viewer"), Grant(None, "platform")]
    assert list(issuer.grants({})) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not valid JSON"),
        ("[]", "at least 1"),
        (json.dumps([{"issuer": "https://a"}]), "0.audience"),
        (json.dumps([TRUST | {"issuer": "http://login.example.com"}]), "0.issuer: expected a URL with https"),
        (json.dumps([TRUST | {"issuer": "ftp://127.0.0.1"}]), "0.issuer: expected a URL with https"),
        (json.dumps([TRUST | {"issuer": "https://"}]), "0.issuer: expected a URL with https"),
        (json.dumps([TRUST | {"algorithms": ["HS256"]}]), "0.algorithms.0"),
        (json.dumps([TRUST | {"algorithms": ["none"]}]), "0.algorithms.0"),
        (json.dumps([TRUST | {"algorithms": []}]), "0.algorithms"),
        (json.dumps([TRUST | {"rules": [{"claims": {}, "role": "platform"}]}]), "0.rules.0.claims"),
        (json.dumps([TRUST | {"rules": [{"claims": {"a": "b"}, "role": "admin"}]}]), "expected a project"),
        (
            json.dumps([TRUST | {"rules": [{"claims": {"a": "b"}, "role": "platform", "project": "p"}]}]),
            "expected a project for each role but platform",
        ),
        (json.dumps([TRUST | {"secret": "x"}]), "0.secret"),
        (json.dumps([TRUST, TRUST]), "expected each issuer once"),
    ],
)
def test_a_wrong_setting_is_told(monkeypatch: pytest.MonkeyPatch, text: str, reason: str) -> None:
    monkeypatch.setenv("TD3_OIDC_ISSUERS", text)
    with pytest.raises(SettingsError, match=r"^TD3_OIDC_ISSUERS=") as caught:
        load_settings()
    assert reason in str(caught.value)


def test_a_right_setting_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TD3_OIDC_ISSUERS", json.dumps([TRUST]))
    (issuer,) = load_settings().issuers
    assert (issuer.algorithms, issuer.rules) == (["RS256", "ES256"], [])
