import itertools

import numpy as np
import polars as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from td3core.data.batches import chunk_batches, latest_items, supervise
from td3core.data.sequences import Sequences
from td3core.learners import MaskedItem, NextItem

CPU = torch.device("cpu")


def sequences(*users: list[int], n_items: int = 50) -> Sequences:
    offsets = np.cumsum([0, *map(len, users)])
    items = np.array([item for user in users for item in user], dtype=np.int64)
    names = [
        pl.Series([f"{kind}{row}" for row in range(n)]) for kind, n in (("i", n_items), ("u", len(users)))
    ]
    return Sequences(items=items, offsets=offsets, item_ids=names[0], user_ids=names[1])


def test_latest_items_are_padded_on_the_right_with_the_id_past_the_last_item() -> None:
    histories = latest_items(sequences([1, 2, 3, 4], [7], n_items=9), length=3, device=CPU)
    assert histories.items.tolist() == [[2, 3, 4], [7, 9, 9]]
    assert histories.lengths.tolist() == [3, 1]


@given(
    lengths=st.lists(st.integers(0, 23), min_size=1, max_size=8),
    length=st.integers(2, 7),
    batch_size=st.integers(1, 5),
    seed=st.integers(0, 1000),
)
@settings(deadline=None, max_examples=60)
def test_an_epoch_holds_each_transition_once(
    lengths: list[int], length: int, batch_size: int, seed: int
) -> None:
    # item = 100 * user + step, so a transition tells where it is from
    users = [[100 * user + step for step in range(n)] for user, n in enumerate(lengths)]
    data = sequences(*users, n_items=1000)
    shuffle = np.random.default_rng(seed)
    found: list[tuple[int, int]] = []
    for chunks in chunk_batches(data, length=length, batch_size=batch_size, generator=shuffle, device=CPU):
        assert chunks.shape[0] <= batch_size
        assert chunks.shape[1] <= length + 1
        for row in chunks.tolist():
            real = [item for item in row if item < 1000]
            assert row == real + [1000] * (len(row) - len(real))
            found += list(itertools.pairwise(real))
    assert sorted(found) == sorted(pair for user in users for pair in itertools.pairwise(user))


def test_cuts_differ_between_epochs_and_follow_the_generator() -> None:
    data = sequences(list(range(40)))

    def epochs(seed: int) -> list[list[list[int]]]:
        shuffle = np.random.default_rng(seed)
        return [
            [row for chunks in chunk_batches(data, length=5, batch_size=2, generator=shuffle, device=CPU)
             for row in chunks.tolist()]
            for _ in range(3)
        ]  # fmt: skip

    assert epochs(1) == epochs(1)
    first, second, third = epochs(1)
    assert len({str(first), str(second), str(third)}) > 1


def test_the_last_question_of_a_chunk_is_its_latest_step() -> None:
    chunks = torch.tensor([[1, 2, 3, 4], [5, 6, 9, 9]])
    supervised = supervise(chunks, NextItem(), n_items=9, generator=torch.Generator())
    assert supervised.targets.tolist() == [2, 3, 4, 6]
    assert supervised.targets[supervised.last].tolist() == [4, 6]


def test_the_last_question_of_a_masked_learner_is_the_last_of_what_it_reads() -> None:
    chunks = torch.arange(40).view(2, 20)
    supervised = supervise(chunks, MaskedItem(), n_items=40, generator=torch.Generator().manual_seed(0))
    assert (
        chunks.gather(1, supervised.lengths[:, None] - 1)[:, 0] == supervised.targets[supervised.last]
    ).all()
