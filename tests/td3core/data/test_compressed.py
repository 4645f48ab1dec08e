"""What a log takes as compressed Parquet."""

import io

import numpy as np
import polars as pl
import pytest

from td3core.data import Sequences, build_sequences, compressed, parquet_bytes
from td3core.interactions import InteractionLog


def log_of(rows: list[tuple[str, str]]) -> Sequences:
    return build_sequences(InteractionLog(pl.DataFrame(rows, schema=["user", "item"], orient="row")))


def walk(*, users: int, length: int, items: int) -> list[tuple[str, str]]:
    draw = np.random.default_rng(1)
    return [(f"u{user}", f"item {draw.integers(items)}") for user in range(users) for _ in range(length)]


def test_it_is_no_larger_than_a_file_of_the_same_rows_by_default() -> None:
    rows = walk(users=100, length=40, items=200)
    numbers = [int(user[1:]) for user, _ in rows]
    file = io.BytesIO()
    pl.DataFrame({"user": numbers, "item": [item for _, item in rows]}).write_parquet(file)
    assert 0.5 * file.tell() < parquet_bytes(log_of(rows)) <= file.tell()


def test_items_that_are_drawn_take_their_entropy_and_what_repeats_takes_less() -> None:
    drawn = walk(users=100, length=100, items=256)
    assert parquet_bytes(log_of(drawn)) > 10_000  # 8 bits each
    repeated = [(user, f"item {number % 100}") for number, (user, _) in enumerate(drawn)]
    assert parquet_bytes(log_of(repeated)) < 0.3 * parquet_bytes(log_of(drawn))


def test_it_does_not_depend_on_the_order_of_users_rows_in_the_file() -> None:
    rows = walk(users=20, length=30, items=50)
    by_step = [rows[user * 30 + step] for step in range(30) for user in range(20)]
    first, other = parquet_bytes(log_of(rows)), parquet_bytes(log_of(by_step))
    assert abs(first - other) < 0.1 * first  # items are numbered otherwise


def test_a_log_of_many_rows_takes_little_more_for_the_time_it_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    log = log_of(walk(users=200, length=100, items=256))
    careful = parquet_bytes(log)
    monkeypatch.setattr(compressed, "_MANY_ROWS", 19_999)
    assert careful < parquet_bytes(log) < 1.15 * careful
    monkeypatch.setattr(compressed, "_MANY_ROWS", 20_000)
    assert parquet_bytes(log) == careful
