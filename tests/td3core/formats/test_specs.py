"""Stored specs that this version cannot run."""

import copy

import pytest

from td3core.config import JobSpec
from td3core.errors import UnsupportedFormatError
from td3core.formats import read_job_spec

STORED = JobSpec().model_dump(mode="json")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"of_the_future": 1}, "of_the_future: expected no field with this name (got 1)"),
        ({"seed": "x" * 1000}, "seed: expected an integer (got 'xxxx"),
        ({"summary": STORED["summary"] | {"length": 60}}, "summary.length"),
    ],
    ids=["unknown", "long", "of several fields"],
)
def test_what_is_wrong_is_told_in_short(change: dict[str, object], told: str) -> None:
    with pytest.raises(UnsupportedFormatError, match="this version cannot read the job spec") as refused:
        read_job_spec(STORED | change, version=1)
    assert told in str(refused.value)
    assert len(str(refused.value)) < 400


def test_a_spec_of_the_first_format_does_what_it_did() -> None:
    """Whatever the defaults are now."""
    first = {name: dict(part) if isinstance(part, dict) else part for name, part in STORED.items()}
    del first["inner"]["targets"], first["summary"]["precision"]
    before = copy.deepcopy(first)
    read = read_job_spec(first, version=1)
    assert (read.inner.targets, read.summary.precision) == ("summary", "float32")
    assert first == before
    assert read_job_spec({"seed": 3}, version=1).inner.targets == "summary"
    kept = first | {"inner": first["inner"] | {"targets": "mixed"}}
    assert read_job_spec(kept, version=2).inner.targets == "mixed"
