"""Stored specs that this version cannot run."""

import pytest

from td3core.config import JobSpec
from td3core.errors import UnsupportedFormatError
from td3core.formats import read_job_spec

STORED = JobSpec().model_dump(mode="json")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"of_the_future": 1}, "of_the_future is 1: Extra inputs are not permitted"),
        ({"seed": "x" * 1000}, "seed is 'xxxx"),
        ({"summary": STORED["summary"] | {"length": 60}}, "summary.length"),
    ],
    ids=["unknown", "long", "of several fields"],
)
def test_what_is_wrong_is_told_in_short(change: dict[str, object], told: str) -> None:
    with pytest.raises(UnsupportedFormatError, match="this version cannot read the job spec") as refused:
        read_job_spec(STORED | change, version=1)
    assert told in str(refused.value)
    assert len(str(refused.value)) < 400
