"""The preset of the paper."""

from typing import Any

import pytest
from pydantic import ValidationError

from td3core.config import InnerConfig, JobSpec
from td3core.formats import JOB_SPEC, read_job_spec


def test_paper_fills_in_its_settings_and_what_is_given_overrides_them() -> None:
    spec = JobSpec.model_validate_json('{"preset": "paper", "summary": {"users": 20}, "inner": {"lr": 0.01}}')
    assert (spec.summary.users, spec.summary.d1, spec.summary.d2) == (20, 8, 8)
    inner = spec.inner
    assert (inner.lr, inner.steps, inner.window, inner.batch_users) == (0.01, 200, 40, 15)
    assert (inner.targets, inner.supervision, inner.warm_up, inner.schedule) == (
        "summary",
        "paper",
        "rat",
        "constant",
    )
    assert (spec.outer.alignment, spec.outer.alignment_at, spec.outer.candidates) == (1.0, "last", None)
    assert spec.data == JobSpec().data


def test_configs_override_with_the_fields_that_were_set() -> None:
    assert JobSpec(preset="paper", inner=InnerConfig(steps=50)) == JobSpec.model_validate(
        {"preset": "paper", "inner": {"steps": 50}}
    )


def test_stored_specs_with_a_preset_are_read_as_they_were() -> None:
    spec = JobSpec(preset="paper", inner=InnerConfig(steps=50, targets="teacher"))
    assert read_job_spec(spec.model_dump(mode="json"), version=JOB_SPEC.current) == spec


@pytest.mark.parametrize(
    ("given", "field", "told"),
    [
        ({"preset": "papers"}, "preset", "Input should be 'paper'"),
        ({"preset": ["paper"]}, "preset", "Input should be 'paper'"),
        ({"preset": "paper", "inner": 3}, "inner", "valid dictionary or instance of InnerConfig"),
        ({"preset": "paper", "inner": {"step": 3}}, "inner.step", "Extra inputs are not permitted"),
    ],
)
def test_wrong_values_are_refused(given: dict[str, Any], field: str, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        JobSpec.model_validate(given)
    (fault,) = caught.value.errors()
    assert ".".join(map(str, fault["loc"])) == field
    assert told in fault["msg"]
