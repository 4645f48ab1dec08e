import pytest
from pydantic import ValidationError

from td3core.config import InnerConfig
from td3core.config.faults import faults


@pytest.mark.parametrize(
    ("asked", "on_cpu", "on_gpu"),
    [
        ({}, 1, 8),
        ({"pool_size": 4}, 1, 4),
        ({"pool_size": 4, "warm_up": "rat"}, 1, 8),
        ({"learners": 3}, 3, 3),
    ],
)
def test_learners_of_a_step_follow_from_the_device(
    asked: dict[str, object], on_cpu: int, on_gpu: int
) -> None:
    config = InnerConfig.model_validate(asked)
    assert (config.learners_on("cpu"), config.learners_on("cuda")) == (on_cpu, on_gpu)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"learners": "auto"}, "learners: expected an integer (got 'auto')"),
        ({"learners": 65}, "learners: expected at most 64 (got 65)"),
        ({"learners": 9}, "learners 9 is more than pool_size = 8"),
    ],
)
def test_other_numbers_of_learners_are_refused(asked: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError) as raised:
        InnerConfig.model_validate(asked)
    assert [str(fault) for fault in faults(raised.value.errors())] == [told]


def test_a_life_is_longer_on_a_large_catalogue_unless_it_is_given() -> None:
    config = InnerConfig()
    assert [config.settled(items=items).steps for items in (2, 2048, 2049)] == [20, 20, 60]
    assert [InnerConfig(steps=7).settled(items=items).steps for items in (2, 2049)] == [7, 7]
    assert (config.life, config.settled(items=2049).life) == (20, 60)
    assert (config.differentiated, config.settled(items=2049).differentiated) == (20, 30)
    assert InnerConfig(window=15).settled(items=2049).differentiated == 15


def test_a_window_fits_into_the_shortest_life() -> None:
    with pytest.raises(ValidationError) as raised:
        InnerConfig(window=21)
    assert [str(fault) for fault in faults(raised.value.errors())] == ["window 21 is longer than steps = 20"]
