"""Order, vocabulary and the leave-last-out split."""

from typing import Literal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from td3core.data.sequences import Sequences, build_sequences, leave_last_out, popularity
from td3core.errors import LogTooSmallError
from td3core.interactions import InteractionLog

Row = tuple[str, str, int]


def log_of(rows: list[Row], *, timestamps: bool = True) -> InteractionLog:
    schema = {"user": pl.String, "item": pl.String, "timestamp": pl.Int64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return InteractionLog(frame if timestamps else frame.drop("timestamp"))


def by_user(sequences: Sequences) -> dict[str, list[str]]:
    return {
        user: sequences.item_ids.gather(sequences.of(row)).to_list()
        for row, user in enumerate(sequences.user_ids)
    }


def test_sequences_follow_time_and_ties_follow_the_file() -> None:
    log = log_of([("b", "x", 3), ("a", "y", 5), ("b", "y", 1), ("b", "z", 1), ("a", "x", 5), ("b", "y", 3)])
    sequences = build_sequences(log)
    assert by_user(sequences) == {"b": ["y", "z", "x", "y"], "a": ["y", "x"]}
    assert sequences.item_ids.to_list() == ["x", "y", "z"]
    assert sequences.items.tolist() == [1, 2, 0, 1, 1, 0]
    assert sequences.offsets.tolist() == [0, 4, 6]
    assert sequences.lengths.tolist() == [4, 2]
    assert (sequences.n_users, sequences.n_items) == (2, 3)


def test_without_timestamps_the_file_orders() -> None:
    log = log_of([("a", "y", 9), ("b", "x", 8), ("a", "x", 7)], timestamps=False)
    assert by_user(build_sequences(log)) == {"a": ["y", "x"], "b": ["x"]}


def test_the_last_item_tests_and_the_one_before_validates() -> None:
    log = log_of([("a", item, 0) for item in "pqrst"] + [("b", item, 0) for item in "tsr"])
    sequences = build_sequences(log)
    split = leave_last_out(sequences)
    ids = sequences.item_ids
    assert by_user(split.train) == {"a": ["p", "q", "r"], "b": ["t"]}
    assert ids.gather(split.valid).to_list() == ["s", "s"]
    assert ids.gather(split.test).to_list() == ["t", "r"]
    assert by_user(split.history("valid")) == {"a": ["p", "q", "r"], "b": ["t"]}
    assert by_user(split.history("test")) == {"a": ["p", "q", "r", "s"], "b": ["t", "s"]}


def test_popularity_counts_training_interactions_alone() -> None:
    log = log_of([("a", item, 0) for item in "ppqrs"] + [("b", item, 0) for item in "psr"])
    split = leave_last_out(build_sequences(log))
    assert popularity(split.train).tolist() == [3, 1, 0, 0]
    assert popularity(split.train).dtype == np.int64


def test_a_user_too_short_to_split_is_refused() -> None:
    log = log_of([("a", item, 0) for item in "pqr"] + [("b", item, 0) for item in "pq"])
    with pytest.raises(LogTooSmallError, match="one user has 2"):
        leave_last_out(build_sequences(log))


rows = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("vwxyz"), st.integers(0, 4)), max_size=40)


@settings(deadline=None)
@given(rows)
def test_any_log_keeps_every_interaction_in_stable_time_order(rows: list[Row]) -> None:
    expected: dict[str, list[str]] = {user: [] for user, _, _ in rows}
    for user, item, _ in sorted(rows, key=lambda row: row[2]):  # Python's sort is stable
        expected[user].append(item)
    assert by_user(build_sequences(log_of(rows))) == expected


@settings(deadline=None)
@given(rows)
def test_no_split_of_any_log_leaks(rows: list[Row]) -> None:
    counts = {user: sum(row[0] == user for row in rows) for user, _, _ in rows}
    # every interaction its own item, so that a leak shows by name
    named = [
        (user, f"{user}{index}", moment) for index, (user, _, moment) in enumerate(rows) if counts[user] >= 3
    ]
    sequences = build_sequences(log_of(named))
    split = leave_last_out(sequences)
    whole = by_user(sequences)
    splits: tuple[Literal["valid"], Literal["test"]] = ("valid", "test")
    for name in splits:
        targets = sequences.item_ids.gather(getattr(split, name)).to_list()
        for (user, seen), target in zip(by_user(split.history(name)).items(), targets, strict=True):
            assert [*seen, target] == whole[user][: len(seen) + 1]
    held_out = np.concatenate([split.valid, split.test])
    assert not np.isin(split.train.items, held_out).any()
    assert len(split.train.items) + len(held_out) == len(named)
    assert popularity(split.train)[held_out].sum() == 0
