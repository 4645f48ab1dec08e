import functools
import itertools
import math
import operator

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from td3core.config import LearnerConfig, LearnerKind
from td3core.data.sequences import Sequences, Split, leave_last_out
from td3core.errors import LogTooSmallError
from td3core.learners import build_learner
from td3core.ranking.task import RankingTask

CPU = torch.device("cpu")
N_ITEMS = 130


@pytest.fixture
def split() -> Split:
    """Three users; the second test target is an item that its user had before."""
    users = [[0, 1, 2, 3, 4], [5, 6, 7, 5], [8, 9, 10]]
    return leave_last_out(
        Sequences(
            items=np.array(functools.reduce(operator.iadd, users, []), dtype=np.int64),
            offsets=np.array([0, 5, 9, 12], dtype=np.int64),
            item_ids=pl.Series([f"i{row}" for row in range(N_ITEMS)]),
            user_ids=pl.Series(["a", "b", "c"]),
        )
    )


def task(split: Split, **options) -> RankingTask:
    return RankingTask(
        split, **({"part": "test", "max_length": 4, "cutoffs": (10,), "device": CPU} | options)
    )


def test_histories_and_targets_of_each_part(split: Split) -> None:
    valid, test = task(split, part="valid"), task(split)
    assert valid.targets.tolist() == [3, 7, 9]
    assert test.targets.tolist() == [4, 5, 10]
    assert valid.histories.lengths.tolist() == [3, 2, 1]
    assert test.histories.lengths.tolist() == [4, 3, 2]


def test_popularity_like_scores_ranked_by_hand(split: Split) -> None:
    scores = torch.zeros(N_ITEMS)
    scores[[0, 1, 2, 4, 5, 10]] = torch.tensor([9.0, 8.0, 7.0, 6.0, 5.0, 4.0])
    # targets 4, 5, 10 come fourth, fifth and sixth
    assert task(split).evaluate_scores(scores)["mrr@10"] == pytest.approx((1 / 4 + 1 / 5 + 1 / 6) / 3)
    # without their own histories: user a loses 0, 1, 2 (rank 1); b has 6, 7 and the target itself (rank 5); c 8, 9
    excluded = task(split, exclude_seen=True).evaluate_scores(scores)
    assert excluded["mrr@10"] == pytest.approx((1 + 1 / 5 + 1 / 6) / 3)


@pytest.mark.parametrize("kind", ["sasrec", "gru4rec", "narm", "bert4rec"])
def test_learner_is_asked_for_the_step_after_the_last(split: Split, kind: LearnerKind) -> None:
    learner = build_learner(LearnerConfig(kind=kind, embedding_size=4, inner_size=4, max_length=4))
    generator = torch.Generator().manual_seed(0)
    parameters = learner.initialise(2, generator=generator, dtype=torch.float64, device=CPU)
    items = torch.randn(N_ITEMS, 4, dtype=torch.float64, generator=generator)
    figures = task(split, cutoffs=(N_ITEMS,)).evaluate(learner, parameters, items)
    for row, found in enumerate(figures):
        reciprocal = []
        for history, target in (([0, 1, 2, 3], 4), ([5, 6, 7], 5), ([8, 9], 10)):
            latest = history[-learner.max_length :]
            sequence = torch.cat((items[latest], torch.full((1, 4), torch.nan, dtype=torch.float64)))
            positions = torch.tensor([[[len(latest)]]])
            output = learner(parameters[row : row + 1], sequence[None, None], positions)[0, 0, 0]
            scores = items @ output
            reciprocal.append(1 / int((scores >= scores[target]).sum()))
        assert found[f"mrr@{N_ITEMS}"] == pytest.approx(np.mean(reciprocal))


def test_uni100_ranks_among_unseen_negatives(split: Split) -> None:
    options = {"protocol": "uni100", "cutoffs": (101,)}
    drawn = [task(split, generator=torch.Generator().manual_seed(seed), **options) for seed in (1, 1, 2)]
    ranked = [one._ranked_items for one in drawn if one._ranked_items is not None]
    assert torch.equal(ranked[0], ranked[1])
    assert not torch.equal(ranked[0], ranked[2])
    for row, (target, seen) in enumerate([(4, {0, 1, 2, 3}), (5, {6, 7}), (10, {8, 9})]):
        first, *negatives = ranked[0][row].tolist()
        assert first == target
        assert len(set(negatives)) == 100
        assert not set(negatives) & (seen | {target})
    scores = torch.arange(N_ITEMS, dtype=torch.float64)  # every target but item 10's is near the bottom
    assert drawn[0].evaluate_scores(scores)["hr@101"] == 1.0


def test_figures_are_of_the_ranks_by_user(split: Split) -> None:
    learner = build_learner(LearnerConfig(embedding_size=4, inner_size=4, max_length=4))
    generator = torch.Generator().manual_seed(0)
    parameters = learner.initialise(2, generator=generator, dtype=torch.float64, device=CPU)
    items = torch.randn(N_ITEMS, 4, dtype=torch.float64, generator=generator)
    asked = task(split, cutoffs=(N_ITEMS,))
    ranks = asked.ranks(learner, parameters, items)
    assert (ranks.shape, ranks.dtype) == ((2, 3), torch.int32)
    for row, figures in zip(ranks, asked.evaluate(learner, parameters, items), strict=True):
        assert figures[f"mrr@{N_ITEMS}"] == pytest.approx(float((1 / row.double()).mean()))
    scores = torch.arange(N_ITEMS, dtype=torch.float64)
    assert asked.ranks_of_scores(scores).tolist() == [N_ITEMS - 4, N_ITEMS - 5, N_ITEMS - 10]


def test_uni100_needs_a_generator(split: Split) -> None:
    with pytest.raises(ValueError, match="generator"):
        task(split, protocol="uni100")


def test_uni100_without_negatives_names_the_user() -> None:
    users = Sequences(
        items=np.array([0, 1, 2, 3, 0, 1, 2], dtype=np.int64),
        offsets=np.array([0, 3, 7], dtype=np.int64),
        item_ids=pl.Series(["i0", "i1", "i2", "i3"]),
        user_ids=pl.Series(["a", "b"]),
    )
    with pytest.raises(LogTooSmallError, match=r"user b has had all 4 items.*take protocol full"):
        task(leave_last_out(users), protocol="uni100", generator=torch.Generator())


@given(
    users=st.lists(st.lists(st.integers(0, 6), min_size=3, max_size=9), min_size=1, max_size=5),
    scores=st.lists(st.integers(-1, 2).map(float), min_size=7, max_size=7),
    part=st.sampled_from(["valid", "test"]),
    exclude_seen=st.booleans(),
    k=st.integers(1, 8),
)
@settings(deadline=None)
def test_figures_agree_with_ranking_by_hand(
    users: list[list[int]], scores: list[float], part: str, exclude_seen: bool, k: int
) -> None:
    split = leave_last_out(
        Sequences(
            items=np.array([item for user in users for item in user], dtype=np.int64),
            offsets=np.array([0, *itertools.accumulate(map(len, users))], dtype=np.int64),
            item_ids=pl.Series([f"i{row}" for row in range(7)]),
            user_ids=pl.Series([f"u{row}" for row in range(len(users))]),
        )
    )
    held_out = -2 if part == "valid" else -1
    hits, gains, reciprocals = 0.0, 0.0, 0.0
    for user in users:
        target, seen = user[held_out], set(user[:held_out]) if exclude_seen else set()
        rank = 1
        for item, score in enumerate(scores):
            if item != target and item not in seen and score >= scores[target]:
                rank += 1
        if rank <= k:
            hits += 1
            gains += 1 / math.log2(rank + 1)
            reciprocals += 1 / rank
    found = task(split, part=part, cutoffs=(k,), exclude_seen=exclude_seen).evaluate_scores(
        torch.tensor(scores)
    )
    sums = {f"hr@{k}": hits, f"ndcg@{k}": gains, f"mrr@{k}": reciprocals}
    assert found == pytest.approx({name: value / len(users) for name, value in sums.items()})
