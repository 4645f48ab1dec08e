"""Train RecTools' SASRec on a folder of files, in an environment of its own that knows nothing of td3core.

The folder holds `train.csv`, `valid.csv` and `test.csv` (user_id, item_id, timestamp), the last two with the histories
to be continued, and `settings.json`. After every `check_every` epochs it writes `{part}-{epoch}.npy`: a row of scores
for each of `n_users`, a column for each of `n_items`; an item it has not been trained on scores minus infinity.
"""

import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # pyright: ignore[reportMissingImports]
import pytorch_lightning  # pyright: ignore[reportMissingImports]
import torch
from rectools import Columns  # pyright: ignore[reportMissingImports]
from rectools.dataset import Dataset  # pyright: ignore[reportMissingImports]
from rectools.models import SASRecModel  # pyright: ignore[reportMissingImports]


def main(folder: Path) -> None:
    """Train to the last epoch."""
    settings: dict[str, Any] = json.loads((folder / "settings.json").read_text())
    torch.set_num_threads(settings["threads"])
    pytorch_lightning.seed_everything(settings["seed"])
    train = read(folder / "train.csv")
    histories = {part: read(folder / f"{part}.csv") for part in ("valid", "test")}
    model = SASRecModel(**settings["model"], deterministic=True)
    for epoch in range(settings["check_every"], settings["epochs"] + 1, settings["check_every"]):
        model.fit_partial(train, min_epochs=settings["check_every"], max_epochs=settings["check_every"])
        for part, known in histories.items():
            scores = score(model, known, settings["n_users"], settings["n_items"])
            np.save(folder / f"{part}-{epoch}.npy", scores)


def read(path: Path) -> Dataset:
    """Read sequences; the timestamp is the position, which RecTools wants as a date."""
    log = pd.read_csv(path)
    return Dataset.construct(
        pd.DataFrame(
            {
                Columns.User: log["user_id"],
                Columns.Item: log["item_id"],
                Columns.Weight: 1.0,
                Columns.Datetime: pd.to_datetime(log["timestamp"], unit="s"),
            }
        )
    )


def score(model: SASRecModel, histories: Dataset, users: int, items: int) -> np.ndarray:
    """Return the scores of all items for users 0 to `users` - 1."""
    ranked = model.recommend(
        users=np.arange(users),
        dataset=histories,
        k=items,
        filter_viewed=False,
        on_unsupported_targets="ignore",  # users all of whose items are unknown keep minus infinity
    )
    scores = np.full((users, items), -np.inf, dtype=np.float32)
    scores[ranked[Columns.User], ranked[Columns.Item]] = ranked[Columns.Score]
    return scores


if __name__ == "__main__":
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")  # of its own dependencies, mostly
    main(Path(sys.argv[1]))
