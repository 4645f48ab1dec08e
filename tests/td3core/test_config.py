import pytest
from pydantic import ValidationError

import td3core.config
from td3core.config import Config, EvaluationSpec, InnerConfig, JobSpec, SummaryConfig


@pytest.mark.parametrize(
    ("document", "field", "message"),
    [
        ('{"sumary": {}}', "sumary", "Extra inputs"),
        ('{"summary": {"users": 0}}', "summary.users", "greater than or equal to 1"),
        ('{"summary": {"users": "30"}}', "summary.users", "valid integer"),
        ('{"summary": {"users": 8, "rank_users": 9}}', "summary", "rank_users 9 is too large"),
        ('{"summary": {"length": 8, "rank_time": 9}}', "summary", "rank_time 9 is too large"),
        ('{"summary": {"rank": 8}}', "summary", "rank 8 needs kind farzi, but kind is tucker"),
        (
            '{"summary": {"kind": "farzi", "rank_time": 8}}',
            "summary",
            "rank_time 8 needs kind tucker, but kind is farzi",
        ),
        ('{"summary": {"kind": "farzi", "temperature": 0}}', "summary.temperature", "greater than 0"),
        ('{"summary": {"length": 60}}', "", "is larger than learner.max_length = 50"),
        ('{"learner": {"heads": 3}}', "learner", "not a multiple of heads = 3"),
        ('{"inner": {"steps": 10, "window": 20}}', "inner", "window 20 is longer"),
        ('{"inner": {"learners": 9, "pool_size": 8}}', "inner", "more than pool_size = 8"),
        ('{"outer": {"lr": 1e999}}', "outer.lr", "finite"),
        ('{"data": {"rules": true}}', "data.rules", "valid integer"),
        ('{"data": {"rules": 3}}', "data.rules", "less than or equal to 2"),
    ],
)
def test_a_wrong_field_is_named(document: str, field: str, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        JobSpec.model_validate_json(document)
    (error,) = caught.value.errors()
    assert ".".join(map(str, error["loc"])) == field
    assert message in error["msg"]


def test_ranks_default_to_what_fits() -> None:
    assert (SummaryConfig(users=5, length=7).d1, SummaryConfig(users=5, length=7).d2) == (5, 7)
    assert (SummaryConfig(users=99, length=50).d1, SummaryConfig(users=99, length=50).d2) == (32, 32)
    assert SummaryConfig(users=99, rank_users=3).d1 == 3
    assert (SummaryConfig(kind="farzi").d, SummaryConfig(kind="farzi").tau) == (32, 1.0)
    assert SummaryConfig(kind="farzi", rank=3, temperature=0.5).tau == 0.5


def test_a_whole_life_is_differentiated_unless_it_is_long() -> None:
    assert InnerConfig().differentiated == InnerConfig().life
    assert [InnerConfig(steps=steps).differentiated for steps in (1, 30, 31, 60, 100)] == [1, 30, 16, 30, 25]
    assert InnerConfig(steps=100, window=40).differentiated == 40


def test_a_step_takes_all_users_unless_there_are_many() -> None:
    assert [InnerConfig().batch_of(users) for users in (1, 30, 33)] == [1, 30, 32]
    assert [InnerConfig(batch_users=40).batch_of(users) for users in (30, 50)] == [30, 40]


def test_every_field_has_a_default_and_a_schema() -> None:
    assert JobSpec.model_validate_json("{}") == JobSpec()
    assert EvaluationSpec.model_validate_json("{}") == EvaluationSpec()
    assert set(JobSpec.model_json_schema()["properties"]) == set(JobSpec.model_fields)


@pytest.mark.parametrize(
    "config",
    [getattr(td3core.config, name) for name in td3core.config.__all__ if name.endswith(("Config", "Spec"))],
)
def test_every_field_is_described(config: type[Config]) -> None:
    assert config.__doc__
    for name, field in config.model_fields.items():
        if not isinstance(field.default, Config):  # a nested config describes itself
            assert field.description, f"{config.__name__}.{name} has no description"
            assert field.description.endswith("."), f"{config.__name__}.{name}: {field.description}"


def test_lists_of_a_request_are_taken_and_checked() -> None:
    assert EvaluationSpec.model_validate({"cutoffs": [1, 7]}).cutoffs == (1, 7)
    for wrong in (
        {"cutoffs": []},
        {"cutoffs": [0]},
        {"cutoffs": ["5"]},
        {"learners": ["gpt"]},
        {"seeds": True},
    ):
        with pytest.raises(ValidationError):
            EvaluationSpec.model_validate(wrong)
