"""Defaults of a summary that the log settles, and what does not go together."""

import pytest
from pydantic import ValidationError

from td3core.config import JobSpec, SummaryConfig
from td3core.config.faults import faults


def test_factors_start_at_rollouts_on_a_large_catalogue_unless_it_is_given() -> None:
    config = SummaryConfig()
    assert [config.settled(items=items).start for items in (2, 2048, 2049)] == ["noise", "noise", "rollouts"]
    assert (config.starts_with, config.settled(items=2049).starts_with) == ("noise", "rollouts")
    for start in ("noise", "rollouts"):
        given = SummaryConfig(start=start)
        assert [given.settled(items=items).start for items in (2, 2049)] == [start, start]
    assert JobSpec().settled(items=2049).summary.start == "rollouts"


def test_only_a_tucker_product_starts_at_rollouts() -> None:
    farzi = SummaryConfig(kind="farzi")
    assert farzi.settled(items=2049).start == "noise"
    assert SummaryConfig.model_validate(farzi.settled(items=2049).model_dump()).start == "noise"
    with pytest.raises(ValidationError) as raised:
        SummaryConfig(kind="farzi", start="rollouts")
    assert [str(fault) for fault in faults(raised.value.errors())] == [
        "start rollouts needs kind tucker, but kind is farzi"
    ]


def test_the_paper_starts_at_noise() -> None:
    assert JobSpec(preset="paper").settled(items=2049).summary.start == "noise"
