"""Parameters that an operation does not have."""

import httpx
import pytest

from tests.support.problems import problem

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


@pytest.mark.parametrize("path", ["/v1/jobs", "/jobs"])
def test_an_unknown_parameter_is_named_with_those_that_are_known(api: httpx.Client, path: str) -> None:
    for ask in (api.get, api.head):
        assert ask(path, params={"limit": 1}).status_code == 200
        assert ask(path, params={"lmit": 1}).status_code == 422
    (error,) = problem(api.get(path, params={"lmit": 1}), 422, "invalid_request")["errors"]
    assert (error["field"], error["got"]) == ("lmit", "1")
    assert "limit" in error["expected"]


def test_a_parameter_that_is_given_twice_is_refused(api: httpx.Client) -> None:
    (error,) = problem(api.get("/v1/jobs?limit=1&limit=2"), 422, "invalid_request")["errors"]
    assert error["field"] == "limit"


def test_an_operation_without_parameters_has_none(api: httpx.Client) -> None:
    (error,) = problem(api.get("/v1/me", params={"project": "x"}), 422, "invalid_request")["errors"]
    assert error["expected"] == "no parameters"


def test_probes_take_what_they_are_sent(api: httpx.Client) -> None:
    assert api.get("/healthz", params={"from": "balancer"}).status_code == 200


def test_a_path_without_an_id_has_its_own_methods(api: httpx.Client) -> None:
    refused = problem(api.options("/v1/jobs/validate"), 405, "method_not_allowed")
    assert refused["instance"] == "/v1/jobs/validate"
    assert api.options("/v1/jobs/validate").headers["allow"] == "POST"
    assert api.options("/v1/jobs/job_0").headers["allow"] == "DELETE, GET, HEAD, PATCH"
