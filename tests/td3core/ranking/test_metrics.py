"""Ranking metrics against numbers computed by hand and against sorting."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from td3core.errors import DivergedError
from td3core.ranking.metrics import hit_rate, mrr, ndcg, ranking_metrics, target_ranks


def rank(scores: list[float], target: int, excluded: list[bool] | None = None) -> int:
    mask = None if excluded is None else torch.tensor([excluded])
    return int(target_ranks(torch.tensor([scores]), torch.tensor([target]), excluded=mask))


def test_ranks_by_hand() -> None:
    scores = torch.tensor([[0.1, 0.9, 0.5], [0.3, 0.2, 0.1]])
    assert target_ranks(scores, torch.tensor([2, 0])).tolist() == [2, 1]


def test_ties_rank_before_the_target() -> None:
    assert rank([1.0, 1.0, 1.0, 0.0], 1) == 3


def test_excluded_items_are_not_counted_but_the_target_always_is() -> None:
    assert rank([3.0, 2.0, 1.0], 2, [True, False, False]) == 2
    assert rank([3.0, 2.0, 1.0], 2, [True, True, True]) == 1
    assert rank([-math.inf, -math.inf], 0) == 2


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(DivergedError):
        rank([1.0, math.nan], 0)


def test_the_arguments_stay_as_they_are() -> None:
    scores, excluded = torch.tensor([[1.0, 2.0]]), torch.tensor([[False, True]])
    target_ranks(scores, torch.tensor([0]), excluded=excluded)
    assert scores.tolist() == [[1.0, 2.0]]
    assert excluded.tolist() == [[False, True]]


def test_metrics_by_hand() -> None:
    ranks = torch.tensor([1, 3, 4])
    assert hit_rate(ranks, 3).tolist() == [1, 1, 0]
    assert ndcg(ranks, 3).tolist() == [1, 0.5, 0]
    assert mrr(ranks, 3).tolist() == [1, pytest.approx(1 / 3), 0]
    assert ranking_metrics(ranks, [1, 3]) == {
        "hr@1": pytest.approx(1 / 3),
        "hr@3": pytest.approx(2 / 3),
        "ndcg@1": pytest.approx(1 / 3),
        "ndcg@3": pytest.approx(1.5 / 3),
        "mrr@1": pytest.approx(1 / 3),
        "mrr@3": pytest.approx(4 / 9),
    }


def test_what_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="no ranks"):
        ranking_metrics(torch.tensor([], dtype=torch.int64), [10])
    with pytest.raises(ValueError, match="at least 1, not 0"):
        hit_rate(torch.tensor([1]), 0)


@settings(deadline=None)
@given(st.data())
def test_ranks_and_metrics_agree_with_sorting(data: st.DataObject) -> None:
    items = data.draw(st.integers(1, 8))
    scores = data.draw(st.lists(st.integers(-2, 2).map(float), min_size=items, max_size=items))
    excluded = data.draw(st.lists(st.booleans(), min_size=items, max_size=items))
    target = data.draw(st.integers(0, items - 1))
    k = data.draw(st.integers(1, 10))
    candidates = [item for item in range(items) if item == target or not excluded[item]]
    ranking = sorted(candidates, key=lambda item: (-scores[item], item == target))
    relevances = [float(item == target) for item in ranking[:k]]
    gains = [relevance / math.log2(place + 1) for place, relevance in enumerate(relevances, start=1)]
    reciprocal = [relevance / place for place, relevance in enumerate(relevances, start=1)]

    ranks = torch.tensor([rank(scores, target, excluded)])

    assert ranks.item() == ranking.index(target) + 1
    assert hit_rate(ranks, k).item() == sum(relevances)
    assert ndcg(ranks, k).item() == pytest.approx(sum(gains))
    assert mrr(ranks, k).item() == pytest.approx(sum(reciprocal))
