"""What the third party is trained on: interactions of like number, from the log or from a summary."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from td3core.config import SamplingConfig
from td3core.data.sequences import Sequences
from td3core.evaluation.users import random_users
from td3core.summary.export import sequences_amounting_to
from td3core.summary.summary import Summary

Source = Literal["users", "users_cut", "ancestral", "independent", "full"]
Items = list[NDArray[np.int64]]


def source_sequences(source: Source, train: Sequences, summary: Summary, *, share: float, seed: int) -> Items:
    """Return item rows, one array a sequence.

    `users` are that share of the users, drawn at random, with all their interactions, `users_cut` the same ones in
    pieces as short as the sampled sequences; `ancestral` and `independent` are sampled from the summary, to that share
    of the training interactions.
    """
    match source:
        case "full":
            return [train.of(user) for user in range(train.n_users)]
        case "users" | "users_cut":
            count = max(1, round(share * train.n_users))
            drawn = [train.of(user) for user in random_users(train, count, np.random.default_rng(seed))]
            if source == "users":
                return drawn
            return cut(drawn, summary.sampled_length(SamplingConfig()) - 1)
        case _:
            sampling = SamplingConfig(method=source)
            count = sequences_amounting_to(share * len(train.items), summary.sampled_length(sampling))
            sampled = summary.sample(count, seed=seed, sampling=sampling)
            row_of = {item: row for row, item in enumerate(summary.item_ids)}
            return [np.array([row_of[item] for item in sequence]) for sequence in sampled]


def cut(sequences: Sequence[NDArray[np.int64]], transitions: int) -> Items:
    """Cut into pieces of so many transitions, which overlap by an item, so that each transition stays."""
    return [
        sequence[start : start + transitions + 1]
        for sequence in sequences
        for start in range(0, max(1, len(sequence) - 1), transitions)
    ]
