"""Labelled rivals, on a toy teacher and in bytes counted by hand."""

import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from td3core.config import LearnerConfig
from td3core.data import Histories, Sequences
from td3core.evaluation.labelled import Budget, Material, item_bits, item_sequences, labels, spare_bytes
from td3core.inner import Labeller
from td3core.learners import build_learner

CPU = torch.device("cpu")
N_ITEMS = 6


@pytest.fixture
def labeller(generator: torch.Generator) -> Labeller:
    learner = build_learner(LearnerConfig(embedding_size=4, inner_size=4, max_length=8))
    items = torch.randn(N_ITEMS, 4, generator=generator)
    weights = learner.initialise(1, generator=generator, dtype=torch.float32, device=CPU)
    return Labeller(learner, weights, items)


def sequences(*users: list[int]) -> Sequences:
    return Sequences(
        items=np.array([item for user in users for item in user]),
        offsets=np.cumsum([0, *map(len, users)]),
        item_ids=pl.Series([str(row) for row in range(N_ITEMS)]),
        user_ids=pl.Series([str(row) for row in range(len(users))]),
    )


TRAIN = sequences([0, 1, 2, 3, 4], [0, 5], [0, 2, 1], [0, 4, 4, 1])


def test_budgets_by_hand() -> None:
    lengths = [3, 5, 2, 4]
    assert [item_bits(items) for items in (1, 2, 5, 8, 9)] == [1, 1, 3, 3, 4]
    # 4 bits a step: 1.5, 4, 5 and 7 bytes
    assert [Budget(bytes=n).of(lengths, bits=4) for n in (1, 3.9, 4, 6, 7, 99)] == [1, 1, 2, 3, 4, 4]
    assert Budget(rows=3).of(lengths, bits=4) == 3
    assert Budget(bytes=99, most=2).of(lengths, bits=4) == 2


def test_labels_are_the_mean_item_of_what_the_teacher_predicts(labeller: Labeller) -> None:
    given = Histories(torch.tensor([[1, 2, 3, 3], [4, 0, 5, 5]]), torch.tensor([3, 2]))
    found = labels(labeller, given)
    for user, step in ((0, 1), (0, 2), (1, 1)):
        before = labeller.items[given.items[user, : step + 1]][None, None]
        output = labeller.learner(labeller.parameters, before, torch.tensor([[[step]]]))[0, 0, 0]
        expected = (labeller.items @ output).softmax(0) @ labeller.items
        torch.testing.assert_close(found[user, step], expected)
    assert not found[0, [0, 3]].any()
    assert not found[1, [0, 2, 3]].any()


def test_real_sequences_are_the_latest_items_of_distinct_users(labeller: Labeller) -> None:
    material = Material(TRAIN, labeller, length=3, distinct=False)
    found = item_sequences("random_users", material, Budget(bytes=100), seed=0)
    rows = {tuple(row[:length].tolist()) for row, length in zip(found.items, found.lengths, strict=True)}
    assert rows == {(2, 3, 4), (0, 5), (0, 2, 1), (4, 4, 1)}
    few = item_sequences("random_users", material, Budget(rows=2), seed=0)
    assert len(few.items) == 2


def test_roll_outs_begin_as_the_log_does_and_follow_the_teacher(labeller: Labeller) -> None:
    material = Material(TRAIN, labeller, length=2, distinct=False)
    found = item_sequences("sampled_sequences", material, Budget(rows=4000), seed=0).items
    assert (found[:, 0] == 0).all()  # as all users do
    read = labeller.items[torch.tensor([[[0, 0]]])]
    output = labeller.learner(labeller.parameters, read, torch.tensor([[[1]]]))[0, 0, 0]
    chances = (labeller.items @ output).softmax(0)
    shares = torch.bincount(found[:, 1], minlength=N_ITEMS) / 4000
    torch.testing.assert_close(shares, chances, atol=0.03, rtol=0)


def test_tokens_come_as_often_as_in_the_log(labeller: Labeller) -> None:
    material = Material(TRAIN, labeller, length=2, distinct=False)
    found = item_sequences("popular_tokens", material, Budget(rows=4000), seed=0).items
    expected = torch.tensor([4, 3, 2, 1, 3, 1]) / 14
    torch.testing.assert_close(
        torch.bincount(found.flatten(), minlength=6) / 8000, expected, atol=0.02, rtol=0
    )


def test_where_items_do_not_repeat_neither_do_the_drawn_ones(labeller: Labeller) -> None:
    material = Material(TRAIN, labeller, length=8, distinct=True)
    for trains_on in ("sampled_sequences", "popular_tokens"):
        found = item_sequences(trains_on, material, Budget(rows=20), seed=1).items
        assert found.sort(1).values.tolist() == [list(range(N_ITEMS))] * 20


def test_bytes_bound_the_number_of_drawn_sequences(labeller: Labeller) -> None:
    material = Material(TRAIN, labeller, length=4, distinct=False)
    # 4 items of 3 bits are 1.5 bytes
    assert len(item_sequences("popular_tokens", material, Budget(bytes=10), seed=0).items) == 6
    assert len(item_sequences("popular_tokens", material, Budget(bytes=10, most=5), seed=0).items) == 5


def test_what_a_rival_needs_too_is_not_for_its_sequences(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        shared = sum(opened.getinfo(name).compress_size for name in ("teacher.safetensors", "items.parquet"))
        factors = opened.getinfo("factors.safetensors").compress_size
    spare = spare_bytes(archive)
    assert archive.stat().st_size - shared - factors < spare < archive.stat().st_size - shared
