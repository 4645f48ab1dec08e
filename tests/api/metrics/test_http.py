import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from api.db import Database
from api.models import Job
from tests.support.interaction_logs import LOG
from tests.support.scrape import scrape
from tests.support.submissions import submit

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)

REQUESTS = "td3_http_request_duration_seconds_count"


def test_requests_count_under_the_template_of_their_path(api: httpx.Client) -> None:
    for job_id in ("job_1", "job_2"):
        api.get(f"/jobs/{job_id}")
    api.get("/jobs")
    seen = scrape(api)
    assert seen.value(REQUESTS, route="/jobs/{job_id}", method="GET", status="4xx") == 2
    assert seen.value(REQUESTS, route="/jobs", method="GET", status="2xx") == 1


def test_no_client_can_add_labels(api: httpx.Client) -> None:
    for word in ("a", "b", "c"):
        api.get(f"/{word}")
        api.request(f"X{word}", "/jobs")
    seen = scrape(api)
    assert seen.value(REQUESTS, route="other", method="GET", status="4xx") == 3
    assert seen.value(REQUESTS, route="/jobs", method="OTHER", status="4xx") == 3
    assert len(seen.labels(REQUESTS)) == 2


def test_a_fault_of_ours_counts_as_one(api: httpx.Client, database: Database, queued_job: str) -> None:
    with database.transaction() as session:
        session.get_one(Job, queued_job).losses = {"outer": "no number"}
    # The server closes the connection after it.
    assert api.get(f"/jobs/{queued_job}", headers={"Connection": "close"}).status_code == 500
    assert scrape(api).value(REQUESTS, route="/jobs/{job_id}", method="GET", status="5xx") == 1


def test_uploads_are_counted_in_bytes(api: httpx.Client) -> None:
    before = scrape(api).value("td3_http_received_bytes_total")
    sent = int(submit(api).request.headers["content-length"])
    assert sent > len(LOG)
    assert scrape(api).value("td3_http_received_bytes_total") == before + sent


def test_the_scrape_itself_is_all_that_is_in_flight(api: httpx.Client) -> None:
    assert scrape(api).value("td3_http_requests_in_flight") == 1


def test_both_formats_are_spoken(api: httpx.Client) -> None:
    scrape(api)
    answer = api.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"td3_http_request_duration_seconds", "process_resident_memory_bytes"} <= names
