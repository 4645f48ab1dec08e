"""Intervals over users and seeds, against what is known in closed form."""

import math

import numpy as np
import pytest
import torch

from td3core.evaluation.bootstrap import RESAMPLES, estimates, interval
from td3core.evaluation.intervals import mean_interval
from td3core.ranking import ranking_metrics
from td3core.results import Interval

HIT, MISS = 1, 99


def hits(*seeds: list[bool]) -> torch.Tensor:
    return torch.tensor([[HIT if hit else MISS for hit in row] for row in seeds], dtype=torch.int32)


def ends(draws: np.ndarray) -> Interval:
    found = interval(draws)
    assert found is not None
    return found


def test_a_share_of_users_has_the_interval_of_a_share() -> None:
    users, share = 1000, 0.3
    found = estimates({"a": hits([user < share * users for user in range(users)])}, (10,))["a"]["hr@10"]
    assert found.values == (0.3,)
    half = 1.96 * math.sqrt(share * (1 - share) / users)
    assert ends(found.draws) == pytest.approx((share - half, share + half), abs=0.05 * half)


def test_where_users_agree_the_interval_is_that_of_student_over_the_seeds() -> None:
    ranks = torch.tensor([[rank] * 50 for rank in (1, 2, 3, 5)], dtype=torch.int32)
    found = estimates({"a": ranks}, (10,))["a"]["mrr@10"]
    assert found.values == pytest.approx((1, 1 / 2, 1 / 3, 1 / 5))
    student = mean_interval(found.values)
    assert student is not None
    assert tuple(ends(found.draws)) == pytest.approx(tuple(student), abs=0.01 * (student.high - student.low))


def test_seeds_and_users_err_together() -> None:
    """Variances add up where both have many; hits of a seed come at its own rate, of users unlike one another."""
    generator = torch.Generator().manual_seed(0)
    chance = (
        0.5 + 0.3 * torch.randn(1, 800, generator=generator) + 0.05 * torch.randn(30, 1, generator=generator)
    )
    ranks = torch.where(torch.rand(30, 800, generator=generator) < chance, HIT, MISS).int()
    found = estimates({"a": ranks}, (10,))["a"]["hr@10"]
    hit = (ranks == HIT).double()
    over_users = float(hit.mean(0).var()) / 800
    over_seeds = float(hit.mean(1).var()) / 30
    half = 1.96 * math.sqrt(over_users + over_seeds)
    low, high = ends(found.draws)
    assert high - low == pytest.approx(2 * half, rel=0.08)
    assert math.sqrt(over_seeds) > 0.3 * math.sqrt(over_users)


def test_a_difference_is_of_the_same_users() -> None:
    """Forty users of a thousand differ: the error of the difference is theirs, well below that of either figure."""
    ours = [user < 340 for user in range(1000)]
    theirs = [user < 300 for user in range(1000)]
    found = estimates({"ours": hits(ours), "theirs": hits(theirs)}, (10,))
    apart = found["ours"]["hr@10"].draws - found["theirs"]["hr@10"].draws
    half = 1.96 * math.sqrt(0.04 * 0.96 / 1000)
    assert ends(apart) == pytest.approx((0.04 - half, 0.04 + half), abs=0.12 * half)
    single = ends(found["ours"]["hr@10"].draws)
    assert single.high - single.low > 2 * 2 * half


def test_seeds_of_two_sources_err_each_by_themselves() -> None:
    """As normal errors of two means of thirty would: the variances add up."""
    generator = torch.Generator().manual_seed(1)
    ranks = {
        name: torch.randint(1, 10, (30, 1), generator=generator).expand(30, 40).int().contiguous()
        for name in ("ours", "theirs")
    }
    found = estimates(ranks, (10,))
    variances = [np.var(found[name]["mrr@10"].values, ddof=1) / 30 for name in ranks]
    apart = ends(found["ours"]["mrr@10"].draws - found["theirs"]["mrr@10"].draws)
    assert apart.high - apart.low == pytest.approx(2 * 2.045 * math.sqrt(sum(variances)), rel=0.06)


def test_figures_are_those_of_the_ranks_by_seed() -> None:
    ranks = torch.randint(1, 30, (3, 77), generator=torch.Generator().manual_seed(2)).int()
    found = estimates({"a": ranks}, (5, 10))["a"]
    for name in ("hr@5", "ndcg@10", "mrr@10"):
        assert found[name].values == tuple(ranking_metrics(row, (5, 10))[name] for row in ranks)


def test_the_same_ranks_give_the_same_bits_beside_whatever_else() -> None:
    ranks = torch.randint(1, 30, (2, 501), generator=torch.Generator().manual_seed(3)).int()
    alone = estimates({"a": ranks}, (10,))["a"]["ndcg@10"].draws
    beside = estimates({"b": ranks.flip(0), "a": ranks, "c": ranks + 1}, (10,))["a"]["ndcg@10"].draws
    assert len(alone) == RESAMPLES
    assert np.array_equal(alone, beside)


def test_where_all_users_and_seeds_agree_there_is_no_error() -> None:
    found = estimates({"a": torch.full((2, 30), 3, dtype=torch.int32)}, (10,))["a"]["ndcg@10"]
    assert ends(found.draws) == (found.mean, found.mean)


def test_draws_without_an_end_have_no_interval() -> None:
    draws = np.linspace(0.0, 1.0, RESAMPLES)
    draws[: RESAMPLES // 50] = np.inf
    assert ends(draws).high == pytest.approx(1.0, abs=0.01)
    draws[: RESAMPLES // 20] = np.inf
    assert interval(draws) is None
    assert estimates({}, (10,)) == {}
