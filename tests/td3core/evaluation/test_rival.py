"""Farzi's summaries are of the size they are said to be."""

from math import prod

from hypothesis import given
from hypothesis import strategies as st

from td3core.config import SummaryConfig
from td3core.evaluation.rival import as_small, as_wide
from td3core.factors import factor_shapes

SIZES = st.integers(2, 200)


@given(users=SIZES, length=SIZES, n_items=st.integers(1, 20_000), embedding_size=st.integers(1, 128))
def test_the_small_one_is_as_wide_as_the_numbers_of_the_summary_allow(
    users: int, length: int, n_items: int, embedding_size: int
) -> None:
    def numbers(config: SummaryConfig) -> int:
        return sum(map(prod, factor_shapes(config, n_items=n_items, embedding_size=embedding_size).values()))

    summary = SummaryConfig(users=users, length=length)
    small = as_small(summary, n_items=n_items, embedding_size=embedding_size)
    assert (small.kind, small.users, small.length) == ("farzi", users, length)
    assert numbers(small) <= numbers(summary) or small.d == 1
    assert numbers(small.model_copy(update={"rank": small.d + 1})) > numbers(summary)


def test_a_farzi_is_compared_with_the_same_again() -> None:
    summary = SummaryConfig(kind="farzi", users=4, length=5, rank=3, temperature=0.5)
    assert as_wide(summary) == summary
    assert as_small(summary, n_items=70, embedding_size=8) == summary
