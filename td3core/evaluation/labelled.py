"""Sequences that cost no distillation, with the teacher's labels: the rivals that a summary has to beat.

Labels alone are worth much (Qin et al., "A Label is Worth A Thousand Images in Dataset Distillation", NeurIPS 2024,
arXiv 2406.10485), and so are sequences that a recommender rolls out and labels (Yue et al., "Black-Box Attacks on
Sequential Recommenders via Data-Free Model Extraction", RecSys 2021). So whoever has the teacher can label whatever
sequences there are: those of real users, its own roll-outs, or random items. A summary is worth its outer loop as far
as it is better than they are, with as many rows, or as many bytes.

Bytes are counted in the rival's favour. It needs the item factor, the teacher and the item ids, as the archive has
them; all else of the archive, manifest included, is for its sequences. Of these only the item numbers count, each with
the bits that number all items, and neither their ends nor the labels, which the teacher gives anew.
"""

import json
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from td3core.catalogue import draw_sequences, expected_embedding
from td3core.config.sources import TrainsOn
from td3core.data import Histories, Sequences, latest_items, popularity
from td3core.evaluation.users import random_users
from td3core.inner import Labeller
from td3core.training import log_counts, roll_out

_USERS_A_BLOCK = 256


class Budget(NamedTuple):
    """How many sequences there may be."""

    rows: int | None = None
    """None: as many as fit."""
    bytes: float = math.inf
    most: int | None = None
    """No training reads more than these."""

    def of(self, lengths: Sequence[int] | NDArray[np.int64], *, bits: int) -> int:
        """Return how many of the first of these sequences there may be, at least one."""
        rows = len(lengths) if self.rows is None else self.rows
        sizes = np.cumsum(np.asarray(lengths)[:rows]) * bits / 8
        fitting = max(1, int((sizes <= self.bytes).sum()))
        return fitting if self.most is None else min(fitting, self.most)


def spare_bytes(archive: Path) -> int:
    """Return the bytes of an archive beyond item factor, teacher and item ids, as they are stored."""
    with zipfile.ZipFile(archive) as opened:
        stored = {info.filename: info for info in opened.infolist()}
        factors = stored["factors.safetensors"]
        with opened.open(factors) as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    spans = [tensor["data_offsets"] for name, tensor in header.items() if name.partition(".")[0] == "items"]
    items = sum(end - start for start, end in spans) * factors.compress_size / factors.file_size
    shared = sum(
        stored[name].compress_size for name in ("teacher.safetensors", "items.parquet") if name in stored
    )
    return int(archive.stat().st_size - items - shared)


def item_bits(n_items: int) -> int:
    """Return the bits that number all items."""
    return max(1, math.ceil(math.log2(n_items)))


class Material(NamedTuple):
    """What sequences are made of."""

    train: Sequences
    labeller: Labeller
    length: int
    """Steps of a sequence, at most."""
    distinct: bool
    """Whether no item comes twice in a sequence."""

    def generator(self, seed: int) -> torch.Generator:
        """Return a fresh one where the items are."""
        return torch.Generator(self.labeller.items.device).manual_seed(seed)


def item_sequences(trains_on: TrainsOn, material: Material, budget: Budget, *, seed: int) -> Histories:
    """Return the sequences of a labelled source.

    - `random_users`: the latest items of distinct users, drawn uniformly;
    - `sampled_sequences`: what the teacher goes on with, from the frequencies of first items in the log;
    - `popular_tokens`: items drawn by how often they are in the log, one without regard to another.
    """
    match trains_on:
        case "random_users":
            return _real(material, budget, seed=seed)
        case "sampled_sequences":
            return _rolled_out(material, budget, seed=seed)
        case "popular_tokens":
            return _popular(material, budget, seed=seed)
        case _:
            raise ValueError(f"{trains_on} are no sequences of items")


def _real(material: Material, budget: Budget, *, seed: int) -> Histories:
    train, length = material.train, material.length
    rows = train.n_users if budget.rows is None else min(budget.rows, train.n_users)
    order = random_users(train, rows, np.random.default_rng(seed))
    lengths = np.minimum(train.lengths[order], length)
    device = material.labeller.items.device
    users = torch.from_numpy(order[: budget.of(lengths, bits=item_bits(train.n_items))]).to(device)
    latest = latest_items(train, length=length, device=device)
    kept = latest.lengths[users]
    width = max(2, int(kept.max()))  # without steps that are padding in all of them
    return Histories(latest.items[users, :width].clamp(max=train.n_items - 1), kept)


def _rolled_out(material: Material, budget: Budget, *, seed: int) -> Histories:
    rows, length = _size(material, budget)
    drawn = roll_out(
        material.labeller,
        material.train,
        rows,
        length=length,
        distinct=material.distinct,
        generator=material.generator(seed),
    )
    return _whole(drawn)


def _popular(material: Material, budget: Budget, *, seed: int) -> Histories:
    rows, length = _size(material, budget)
    items = material.labeller.items
    counts = log_counts(torch.from_numpy(popularity(material.train)).to(items))
    drawn = draw_sequences(
        lambda _, drawn: counts.expand(len(drawn), -1),
        rows,
        length=length,
        items=len(items),
        distinct=material.distinct,
        generator=material.generator(seed),
    )
    return _whole(drawn)


@torch.no_grad()
def labels(labeller: Labeller, sequences: Histories) -> Float[Tensor, "users steps d3"]:
    """Return the expected embedding of what the teacher predicts at each step; zero at the first and at padding."""
    items = labeller.items
    found = items.new_zeros(*sequences.items.shape, items.shape[1])
    steps = torch.arange(1, sequences.items.shape[1], device=items.device)
    for start in range(0, len(found), _USERS_A_BLOCK):
        block = slice(start, start + _USERS_A_BLOCK)
        outputs = labeller.outputs(items[sequences.items[block]])
        real = steps < sequences.lengths[block, None]
        found[block, 1:][real] = expected_embedding(outputs[real], items, items)
    return found


def _size(material: Material, budget: Budget) -> tuple[int, int]:
    """Return how many sequences are drawn, and their length."""
    n_items = material.train.n_items
    length = min(material.length, n_items) if material.distinct else material.length
    rows = budget.rows or max(1, int(budget.bytes * 8 / (item_bits(n_items) * length)))
    return rows if budget.most is None else min(rows, budget.most), length


def _whole(drawn: Int[Tensor, "sequences length"]) -> Histories:
    return Histories(drawn, torch.full((len(drawn),), drawn.shape[1], device=drawn.device))
