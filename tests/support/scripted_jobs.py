"""Answers of a scripted service about one job and its archive."""

import hashlib
from typing import Any

from tests.support.scripted_service import Answer

ARCHIVE = bytes(range(256)) * 40
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()


def job(state: str = "running", **fields: Any) -> Answer:
    return Answer.json({"id": "job_1", "state": state, "summary": None, "error": None, **fields})


def finished_job(sha256: str = SHA256) -> Answer:
    summary = {"bytes": len(ARCHIVE), "sha256": sha256, "href": "/v1/jobs/job_1/summary"}
    return job("succeeded", summary=summary)


def partial(start: int) -> Answer:
    total = len(ARCHIVE)
    return Answer(ARCHIVE[start:], 206, {"Content-Range": f"bytes {start}-{total - 1}/{total}"})
