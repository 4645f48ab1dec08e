"""Tokens, sent to a running API, of an issuer that is a process of its own and signs by another library."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from api.access.users import user_id
from api.db import Database
from api.oidc.tokens import MOST_BYTES
from api.settings import Settings
from tests.support.access import bearing, new_key
from tests.support.issuers import Issuer, encoded
from tests.support.live_api import running_api
from tests.support.problems import problem
from tests.support.waiting import wait_until

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)

EVERYBODY = {"claims": {"team": "recsys"}, "role": "member", "project": "default"}
RETRY = 0.3


@pytest.fixture
def settings(settings: Settings, issuer: Issuer) -> Settings:
    return issuer.trusted(settings, EVERYBODY, oidc_retry_seconds=RETRY)


def me(api: httpx.Client, token: str) -> httpx.Response:
    return api.get("/v1/me", headers={"Authorization": f"Bearer {token}"})


def test_a_token_lets_in_the_user_whom_it_names(api: httpx.Client, issuer: Issuer) -> None:
    token = issuer.token("ada", team="recsys", name="Ada Lovelace", exp=int(time.time()) + 120)
    mine = me(api, token).json()
    assert mine["user"] == {
        "id": user_id(issuer.url, "ada"),
        "issuer": issuer.url,
        "subject": "ada",
        "name": "Ada Lovelace",
    }
    assert (mine["project"], mine["key_id"]) == ("default", None)
    assert "jobs:write" in mine["scopes"]
    assert "admin" not in mine["scopes"]
    assert mine["expires_at"].startswith(time.strftime("%Y-%m-%dT", time.gmtime()))


def test_algorithms_and_types_that_are_allowed(settings: Settings, issuer: Issuer) -> None:
    allowed = {
        "ES256": "ec-1",
        "RS256": "rsa",
        "PS512": "rsa",
        "ES384": "ec-384",
        "ES512": "ec-512",
        "EdDSA": "ed",
    }
    for name, kind, of in (
        ("rsa", "RSA", 2048),
        ("ec-384", "EC", "P-384"),
        ("ec-512", "EC", "P-521"),
        ("ed", "OKP", "Ed25519"),
    ):
        issuer.add(name, kind, of)
    with running_api(issuer.trusted(settings, EVERYBODY, algorithms=list(allowed))) as api:
        for algorithm, by in allowed.items():
            header = {"alg": algorithm, "typ": "at+jwt"}
            assert me(api, issuer.token(team="recsys", by=by, header=header)).status_code == 200, algorithm
        crossed = issuer.token(team="recsys", by="rsa", header={"alg": "PS512", "kid": "ec-1"})
        problem(me(api, crossed), 401, "invalid_token")
    with running_api(settings) as api:
        for algorithm, by in allowed.items():
            token = issuer.token(team="recsys", by=by, header={"alg": algorithm})
            expected = 200 if algorithm in ("ES256", "RS256") else 401
            assert me(api, token).status_code == expected, algorithm


def forged(issuer: Issuer) -> Iterator[tuple[str, str]]:
    """Tokens that nobody should take, each with what is wrong."""
    at = int(time.time())
    good: dict[str, Any] = {"team": "recsys"}
    yield "expired", issuer.token(**good, exp=at - 40)
    yield "not valid yet", issuer.token(**good, nbf=at + 60)
    yield "issued in the future", issuer.token(**good, iat=at + 60)
    for claim in ("exp", "iat", "aud", "sub", "iss"):
        missing: dict[str, Any] = good | {claim: None}
        yield f"without {claim}", issuer.token(**missing)
    yield "another audience", issuer.token(**good, aud="others")
    yield "other audiences", issuer.token(**good, aud=["others", "td"])
    yield "no audience", issuer.token(**good, aud=[])
    yield "another issuer", issuer.token(**good, iss="https://login.example.com")
    yield "the issuer and more", issuer.token(**good, iss=f"{issuer.url}/")
    yield "a list of issuers", issuer.token(**good, iss=[issuer.url])
    yield "a moment that is none", issuer.token(**good, exp="tomorrow")
    yield "the end of time", issuer.token(**good, exp=10**30)
    yield "a subject that is none", issuer.token(7, **good)  # type: ignore[arg-type]
    yield "an empty subject", issuer.token("", **good)
    yield "a subject with a line break", issuer.token("a\nb", **good)
    yield "a long subject", issuer.token("a" * 256, **good)
    yield "another type", issuer.token(**good, header={"typ": "logout+jwt"})
    yield "no key named", issuer.token(**good, header={"kid": None})
    yield "an unpublished key", issuer.token(**good, by="mine")
    yield (
        "an unpublished key under the name of a known one",
        issuer.token(**good, by="mine", header={"kid": "ec-1"}),
    )
    yield "a large one", issuer.token(**good, junk="x" * MOST_BYTES)
    token = issuer.token(**good)
    head, body, signature = token.split(".")
    yield "half a signature", f"{head}.{body}.{signature[: len(signature) // 2]}"
    yield "no signature", f"{head}.{body}."
    yield "another's body", f"{head}.{issuer.token('eve', **good).split('.')[1]}.{signature}"
    yield "another's head", f"{encoded({'alg': 'RS256', 'kid': 'ec-1'})}.{body}.{signature}"
    for none in ("none", "None", "NONE", ""):
        yield f"algorithm {none!r}", f"{encoded({'alg': none, 'kid': 'ec-1'})}.{body}."
    yield "no algorithm", f"{encoded({'kid': 'ec-1'})}.{body}.{signature}"
    for secret in public_as_secrets(issuer):
        unsigned = f"{encoded({'alg': 'HS256', 'kid': 'ec-1', 'typ': 'JWT'})}.{body}"
        signed = encoded(hmac.digest(secret, unsigned.encode(), hashlib.sha256))
        yield "a public key as a shared secret", f"{unsigned}.{signed}"
    mine = {
        "alg": "ES256",
        "kid": "ec-1",
        "jwk": issuer.public()["keys"][0],
        "jku": "https://evil.example/keys",
    }
    yield "a key that the token brings along", f"{encoded(mine)}.{body}.{signature}"
    deep = b"[" * 5000
    yield "a deep head", f"{encoded(deep)}.{body}.{signature}"
    yield "a deep body", f"{head}.{encoded(deep)}.{signature}"
    yield "a head that is no object", f"{encoded([1])}.{body}.{signature}"
    yield "a body that is no object", f"{head}.{encoded([1])}.{signature}"
    for garbage in (
        "..",
        "a.b.c",
        f"{head}.{body}.{signature}.",
        f".{body}.{signature}",
        "\xe9.\xe9.\xe9",
        "%.%.%",
    ):
        yield repr(garbage), garbage


def public_as_secrets(issuer: Issuer) -> list[bytes]:
    """Forms of the public key that careless verifiers have taken for a secret."""
    key = issuer.public()["keys"][0]
    return [json.dumps(key).encode(), json.dumps(issuer.public()).encode(), key["x"].encode(), b"", b"ec-1"]


def test_what_no_issuer_has_signed_for_us_is_refused(api: httpx.Client, issuer: Issuer) -> None:
    assert me(api, issuer.token(team="recsys")).status_code == 200
    tried = 0
    for wrong, token in forged(issuer):
        headers = httpx.Headers({"Authorization": f"Bearer {token}"}, encoding="latin-1")
        response = api.get("/v1/me", headers=headers)
        assert response.status_code == 401, wrong
        body = response.json()
        assert body["code"] in ("invalid_token", "invalid_key"), wrong
        assert response.headers["www-authenticate"] == 'Bearer realm="td3", error="invalid_token"'
        assert len(body["detail"]) < 200, wrong
        assert not [part for part in token.split(".") if len(part) > 8 and part in response.text], wrong
        tried += 1
    assert tried > 40
    assert me(api, issuer.token(team="recsys")).status_code == 200


def test_clocks_may_differ_by_so_much(settings: Settings, issuer: Issuer) -> None:
    with running_api(settings.model_copy(update={"oidc_skew_seconds": 60})) as api:
        at = int(time.time())
        cases: list[tuple[dict[str, Any], int]] = [
            ({"exp": at - 30, "iat": at - 300}, 200),
            ({"exp": at - 90, "iat": at - 300}, 401),
            ({"nbf": at + 30}, 200),
            ({"nbf": at + 90}, 401),
            ({"iat": at + 30}, 200),
            ({"iat": at + 90}, 401),
        ]
        for claims, status in cases:
            assert me(api, issuer.token(team="recsys", **claims)).status_code == status, claims


def test_an_issuer_may_change_its_keys(settings: Settings, issuer: Issuer) -> None:
    with running_api(settings.model_copy(update={"oidc_refresh_seconds": 2 * RETRY})) as api:
        former = issuer.token(team="recsys")
        assert me(api, former).status_code == 200
        issuer.add("ec-2")
        latter = issuer.token(team="recsys", by="ec-2")
        wait_until(lambda: me(api, latter).status_code == 200, seconds=5)
        assert me(api, former).status_code == 200
        issuer.tell("withdraw", "ec-1")
        wait_until(lambda: me(api, former).status_code == 401, seconds=5)
        assert me(api, latter).status_code == 200


def test_keys_are_fetched_once_whoever_asks(settings: Settings, issuer: Issuer) -> None:
    with (
        running_api(settings.model_copy(update={"oidc_retry_seconds": 600})) as api,
        ThreadPoolExecutor(20) as pool,
    ):
        token, unknown = issuer.token(team="recsys"), issuer.token(by="mine")
        answers = list(pool.map(lambda sent: me(api, sent), [token, unknown] * 20))
        assert [answer.status_code for answer in answers] == [200, 401] * 20
    assert issuer.fetched() == 1


def test_a_token_that_names_no_issuer_of_ours_makes_nobody_fetch_anything(
    api: httpx.Client, issuer: Issuer
) -> None:
    for token in (issuer.token(iss="http://127.0.0.1:1"), issuer.token(header={"typ": "refresh"}), "a.b.c"):
        problem(me(api, token), 401, "invalid_token")
    assert issuer.fetched() == 0


def test_an_issuer_that_is_down_keeps_only_those_out_whose_keys_are_not_known(
    settings: Settings, database: Database, issuer: Issuer
) -> None:
    key = bearing(new_key(database))
    known, unknown = issuer.token(team="recsys"), issuer.token(team="recsys", by="ec-2")
    refreshing = settings.model_copy(update={"oidc_refresh_seconds": 0.1})
    with running_api(refreshing) as warm, running_api(settings) as cold:
        assert me(warm, known).status_code == 200
        issuer.stop()
        time.sleep(2 * RETRY)
        for _ in range(3):
            assert me(warm, known).status_code == 200
            time.sleep(RETRY)
        for api, token in ((warm, unknown), (cold, known), (cold, unknown)):
            response = me(api, token)
            problem(response, 503, "issuer_unavailable")
            assert int(response.headers["retry-after"]) >= 1
            assert api.get("/v1/jobs", headers=key).status_code == 200
            problem(me(api, "a.b.c"), 401, "invalid_token")
        issuer.start()
        again = issuer.token(team="recsys")
        for api in (warm, cold):
            wait_until(lambda api=api: me(api, again).status_code == 200, seconds=10)


def test_an_issuer_that_hangs_delays_nobody_else(
    settings: Settings, database: Database, issuer: Issuer
) -> None:
    key, token = bearing(new_key(database)), issuer.token(team="recsys")
    issuer.tell("hang", True)
    with running_api(settings) as api, ThreadPoolExecutor(60) as pool:
        waiting = [pool.submit(me, api, token) for _ in range(60)]
        assert api.get("/v1/jobs", headers=key).status_code == 200
        assert not any(answer.done() for answer in waiting)
        assert {answer.result().status_code for answer in waiting} == {503}


def test_keys_are_not_kept_for_ever(settings: Settings, issuer: Issuer) -> None:
    with running_api(settings.model_copy(update={"oidc_keep_seconds": 1.0})) as api:
        token = issuer.token(team="recsys")
        assert me(api, token).status_code == 200
        issuer.stop()
        wait_until(lambda: me(api, token).status_code == 503)
    issuer.start()


def lies(issuer: Issuer) -> Iterator[tuple[str, dict[str, Any]]]:
    """Answers of an issuer that nobody should believe, each with what is wrong."""
    document, keys = "/.well-known/openid-configuration", issuer.public()
    whole = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"}
    yield "no JSON", {document: "<html>"}
    yield "no object", {document: [whole]}
    yield "another issuer", {document: whole | {"issuer": f"{issuer.url}/"}}
    yield "keys from elsewhere without TLS", {document: whole | {"jwks_uri": "http://keys.example.com/"}}
    yield "keys of another kind of address", {document: whole | {"jwks_uri": "file:///etc/passwd"}}
    yield "no address of keys", {document: {"issuer": issuer.url}}
    yield "an endless answer", {"/keys": "[" + " " * (1 << 20)}
    yield "a deep answer", {"/keys": "[" * 100_000}
    yield "no keys", {"/keys": {"keys": []}}
    yield (
        "keys that are none",
        {"/keys": {"keys": ["ec-1", None, {"kid": "ec-1"}, {"kid": "ec-1", "kty": "EC"}]}},
    )
    yield "a shared secret", {"/keys": {"keys": [{"kid": "ec-1", "kty": "oct", "k": "c2VjcmV0"}]}}
    yield "a key for encryption", {"/keys": {"keys": [key | {"use": "enc"} for key in keys["keys"]]}}
    yield "a key of another algorithm", {"/keys": {"keys": [key | {"alg": "ES512"} for key in keys["keys"]]}}
    yield "a key of another curve", {"/keys": {"keys": [key | {"crv": "P-384"} for key in keys["keys"]]}}


def test_an_issuer_that_answers_nonsense_is_one_that_is_down(settings: Settings, issuer: Issuer) -> None:
    token = issuer.token(team="recsys")
    with running_api(settings.model_copy(update={"oidc_retry_seconds": 0.001})) as api:
        for wrong, answers in lies(issuer):
            issuer.tell("answers", answers)
            assert me(api, token).status_code == 503, wrong
        issuer.tell("answers", {})
        assert me(api, token).status_code == 200


def test_without_an_issuer_a_token_is_no_key(settings: Settings, issuer: Issuer) -> None:
    with running_api(settings.model_copy(update={"oidc_issuers": None})) as api:
        problem(me(api, issuer.token(team="recsys")), 401, "invalid_key")
