import numpy as np
import polars as pl
import torch

from td3core.data.batches import latest_items
from td3core.data.sequences import Sequences
from td3core.evaluation.coreset import coreset_users, herd, user_features

ITEMS = torch.tensor([[0.0], [1.0], [2.0], [9.0]])


def sequences(*users: list[int]) -> Sequences:
    return Sequences(
        items=np.array([item for user in users for item in user]),
        offsets=np.cumsum([0, *map(len, users)]),
        item_ids=pl.Series([str(row) for row in range(len(ITEMS))]),
        user_ids=pl.Series([str(row) for row in range(len(users))]),
    )


def test_a_user_is_the_mean_of_the_latest_items() -> None:
    histories = latest_items(sequences([3, 0, 2], [1], [1, 2]), length=2, device=torch.device("cpu"))
    torch.testing.assert_close(user_features(histories, ITEMS), torch.tensor([[1.0], [1.0], [1.5]]))


def test_herding_by_hand() -> None:
    # The mean is 3. First 2 is nearest; then 4 makes the mean 3; then 6 makes it 4, where 0 makes it 2: the first wins.
    features = torch.tensor([[0.0], [2.0], [4.0], [6.0]])
    assert herd(features, 3) == [1, 2, 0]
    assert sorted(herd(features, 4)) == [0, 1, 2, 3]


def test_herding_keeps_close_to_the_mean_of_all(generator: torch.Generator) -> None:
    features = torch.randn(300, 8, generator=generator, dtype=torch.float64)

    def off(rows: list[int]) -> float:
        return float((features[rows].mean(0) - features.mean(0)).norm())

    random = [torch.randperm(300, generator=generator)[:20].tolist() for _ in range(20)]
    assert off(herd(features, 20)) < 0.2 * min(map(off, random))


def test_coreset_is_of_distinct_users() -> None:
    train = sequences([0, 0], [3, 3], [1, 2], [0, 3], [2, 2])
    chosen = coreset_users(train, 4, ITEMS, length=2)
    assert len(set(chosen.tolist())) == 4
    assert chosen.dtype == np.int64
