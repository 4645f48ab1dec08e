"""The synthetic log: reproducible, plausible, and worth learning from."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from td3core.config import DataConfig
from td3core.data.sample import generate_sample_log
from td3core.data.sequences import build_sequences, leave_last_out, popularity
from td3core.interactions import InteractionLog, filter_log, read_log, validate_log
from td3core.ranking.metrics import ranking_metrics, target_ranks

SHIPPED = Path(__file__).parents[3] / "examples" / "sample.csv.gz"


def test_the_shipped_log_is_what_the_generator_gives() -> None:
    assert gzip.decompress(SHIPPED.read_bytes()).decode() == generate_sample_log().write_csv()
    assert SHIPPED.stat().st_size < 250_000


def test_the_shipped_log_passes_the_services_validation() -> None:
    profile = validate_log(SHIPPED, DataConfig()).given
    assert (profile.users, profile.items) == (800, 400)
    assert 30_000 <= profile.interactions <= 40_000


def test_a_first_order_markov_chain_beats_popularity_by_far() -> None:
    split = leave_last_out(build_sequences(filter_log(read_log(SHIPPED, DataConfig()), DataConfig())))
    train, history = split.train, split.history("test")
    counts = np.zeros((train.n_items, train.n_items))
    for user in range(train.n_users):
        sequence = train.of(user)
        np.add.at(counts, (sequence[:-1], sequence[1:]), 1)
    popular = popularity(train) / len(train.items)
    chain = (counts + 2 * popular) / (counts.sum(axis=1, keepdims=True) + 2)
    last = history.items[history.offsets[1:] - 1]

    targets = torch.from_numpy(split.test)
    by_chain = target_ranks(torch.from_numpy(chain[last]), targets)
    by_popularity = target_ranks(torch.from_numpy(popular).expand(train.n_users, -1), targets)

    floor = ranking_metrics(by_popularity, [10])["ndcg@10"]
    assert ranking_metrics(by_chain, [10])["ndcg@10"] > 2 * floor


def test_tastes_drift() -> None:
    """A user's latest interactions say more about the next one than the earliest do."""
    log = generate_sample_log(users=400, items=200, seed=3)
    sequences = build_sequences(InteractionLog(log.rename({"user_id": "user", "item_id": "item"})))
    near, far = [], []
    for user in range(sequences.n_users):
        sequence = sequences.of(user)
        if len(sequence) >= 30:
            near.append(np.isin(sequence[-10:], sequence[-20:-10]).mean())
            far.append(np.isin(sequence[-10:], sequence[:10]).mean())
    assert np.mean(near) > 1.3 * np.mean(far)


def test_popularity_is_skewed() -> None:
    counts = generate_sample_log()["item_id"].value_counts(sort=True)["count"].to_numpy()
    assert counts[:40].sum() > 0.25 * counts.sum()  # a uniform tenth would hold 0.1


def test_the_seed_decides() -> None:
    first = generate_sample_log(users=20, items=30, seed=1)
    assert first.equals(generate_sample_log(users=20, items=30, seed=1))
    assert not first.equals(generate_sample_log(users=20, items=30, seed=2))


def test_ids_and_timestamps_look_like_a_logs() -> None:
    log = generate_sample_log(users=20, items=30)
    assert log["user_id"].n_unique() == 20
    assert log["user_id"].str.contains(r"^u00[0-2]\d$").all()
    assert log["item_id"].str.contains(r"^i00[0-3]\d$").all()
    assert log["timestamp"].is_sorted()
    assert log["timestamp"].min() >= 1_704_067_200  # pyright: ignore[reportOptionalOperand, reportOperatorIssue]
    assert not log.select("user_id", "timestamp").is_duplicated().any()


def test_too_few_items() -> None:
    with pytest.raises(ValueError, match="expected at least 10"):
        generate_sample_log(items=9)


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz"])
def test_the_command_writes_the_file(tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    options = ["--users", "20", "--items", "30", "--seed", "4"]
    subprocess.run([sys.executable, "-m", "td3core.data.sample", str(out), *options], check=True)
    assert pl.read_csv(out).equals(generate_sample_log(users=20, items=30, seed=4))
    assert out.read_bytes().startswith(b"\x1f\x8b") == name.endswith(".gz")
