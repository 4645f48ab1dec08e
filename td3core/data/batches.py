"""Real sequences as padded tensors.

Padding goes to the right and is the id one past the last item: a causal learner cannot see it. Where the authors make
one sample of every prefix, all positions of a chunk give the same predictions for a fraction of the tokens.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from td3core.data.sequences import Sequences
from td3core.learners.objective import Objective

_BATCHES_A_BUCKET = 16


class Histories(NamedTuple):
    """The latest interactions of every user."""

    items: Int[Tensor, "users length"]
    lengths: Int[Tensor, " users"]

    def latest(self, length: int) -> "Histories":
        """Return no more than the last `length` items of each."""
        if length >= self.items.shape[1]:
            return self
        dropped = (self.lengths - length).clamp(min=0)
        steps = dropped[:, None] + torch.arange(length, device=dropped.device)
        return Histories(self.items.gather(1, steps), self.lengths - dropped)


class SupervisedChunks(NamedTuple):
    """Chunks of real sequences with the steps that a learner has to predict."""

    items: Int[Tensor, "chunks length"]
    """Some real item stands where padding was."""
    lengths: Int[Tensor, " chunks"]
    positions: Int[Tensor, "chunks supervised"] | None
    real: Int[Tensor, " targets"]
    """Which of the positions, chunk after chunk, are not padding: numbers, since a GPU that is asked where a mask is
    true has to finish all it was given before."""
    targets: Int[Tensor, " targets"]
    """The items at these."""
    last: Int[Tensor, " last"]
    """Which of the targets are the latest of their chunk."""

    def of_targets(
        self, outputs: Float[Tensor, "learners chunks supervised d"]
    ) -> Float[Tensor, "learners targets d"]:
        """Leave out what was predicted of padding."""
        return outputs.flatten(1, 2).index_select(1, self.real)


def supervise(
    chunks: Int[Tensor, "chunks length"], objective: Objective, *, n_items: int, generator: torch.Generator
) -> SupervisedChunks:
    """Draw the steps to predict. On a GPU this waits for what it was given before; nothing that uses them does."""
    rows, length = chunks.shape
    positions, lengths = objective.draw(
        (rows,), length=length, lengths=(chunks < n_items).sum(1), generator=generator
    )
    assert lengths is not None
    steps = torch.arange(1, length, device=chunks.device).expand(rows, -1) if positions is None else positions
    real = (steps < lengths[:, None]).flatten()
    places = real.nonzero().squeeze(1)
    latest = steps.where(real.view_as(steps), -1)
    last = (latest == latest.amax(1, keepdim=True)).flatten()[places]
    return SupervisedChunks(
        chunks.clamp(max=n_items - 1),
        lengths,
        positions,
        places,
        chunks.gather(1, steps).flatten()[places],
        last.nonzero().squeeze(1),
    )


def latest_items(sequences: Sequences, *, length: int, device: torch.device) -> Histories:
    """Return every user's last `length` items, padded on the right."""
    lengths = np.minimum(sequences.lengths, length)
    starts = sequences.offsets[1:] - lengths
    items = _gather(sequences, starts, lengths, length)
    return Histories(torch.from_numpy(items).to(device), torch.from_numpy(lengths).to(device))


def chunk_batches(
    sequences: Sequences,
    *,
    length: int,
    batch_size: int,
    generator: np.random.Generator,
    device: torch.device,
) -> Iterator[Int[Tensor, "chunks steps"]]:
    """Yield one epoch: chunks of up to `length + 1` items that overlap by one, so that each transition comes once.

    A batch holds as many chunks as have about `batch_size` transitions, so that short sequences come in larger numbers.
    Where a user's first chunk ends is drawn anew each epoch. Chunks of like length share a batch.
    """
    starts, ends = _cut(sequences, length, generator)
    lengths = ends - starts
    order = generator.permutation(len(starts))
    per_batch = max(1, round(batch_size / max(1.0, float((lengths - 1).mean())))) if len(lengths) else 1
    bucket = per_batch * _BATCHES_A_BUCKET
    batches: list[NDArray[np.int64]] = []
    for first in range(0, len(order), bucket):
        by_length = order[first : first + bucket]
        by_length = by_length[np.argsort(lengths[by_length], kind="stable")]
        batches += [by_length[i : i + per_batch] for i in range(0, len(by_length), per_batch)]
    for index in generator.permutation(len(batches)):
        chunks = batches[index]
        width = int(lengths[chunks].max())
        items = _gather(sequences, starts[chunks], lengths[chunks], width)
        batch = torch.from_numpy(items)
        if device.type == "cuda":
            batch = batch.pin_memory()  # or the copy would wait for it
        yield batch.to(device, non_blocking=True)


def room_for_chunks(sequences: Sequences, *, length: int, batch_size: int) -> int:
    """Return a number of chunks that a batch of `chunk_batches` hardly ever exceeds: six deviations above the mean.

    A sequence of t transitions is cut into 1 + (t - 1) / length chunks on average, and one more or less.
    """
    transitions = np.maximum(sequences.lengths - 1, 0)
    cut = transitions[transitions > 0]
    chunks = len(cut) + float((cut - 1).sum()) / length + 3 * len(cut) ** 0.5
    return math.ceil(batch_size * chunks / max(1, int(cut.sum()))) + 1


@dataclass(frozen=True)
class ChunksState:
    """A place in endless chunks."""

    epoch: Mapping[str, Any]
    """The state of the shuffle from which this epoch was drawn."""
    taken: int
    """Batches of this epoch that were taken."""


class EndlessChunks:
    """`chunk_batches`, epoch after epoch.

    Raises:
        ValueError: no sequence has two items.
    """

    def __init__(
        self, sequences: Sequences, *, length: int, batch_size: int, seed: int, device: torch.device
    ) -> None:
        if not (sequences.lengths > 1).any():
            raise ValueError("no sequence has two items, so there is no transition to learn from")
        self._sequences = sequences
        self._length = length
        self._batch_size = batch_size
        self._shuffle = np.random.default_rng(seed)
        self._device = device
        self._begin_epoch()

    def __next__(self) -> Int[Tensor, "chunks steps"]:
        batch = next(self._batches, None)
        if batch is None:
            self._begin_epoch()
            batch = next(self._batches)
        self._taken += 1
        return batch

    def state(self) -> ChunksState:
        """Return the place in the epoch, and what the epoch was drawn from."""
        return ChunksState(self._epoch, self._taken)

    def restore(self, state: ChunksState) -> None:
        """Go on from that place."""
        self._shuffle.bit_generator.state = state.epoch
        self._begin_epoch()
        for _ in range(state.taken):
            next(self)

    def _begin_epoch(self) -> None:
        self._epoch = self._shuffle.bit_generator.state
        self._taken = 0
        self._batches = chunk_batches(
            self._sequences,
            length=self._length,
            batch_size=self._batch_size,
            generator=self._shuffle,
            device=self._device,
        )


def _cut(
    sequences: Sequences, length: int, generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where chunks start and end (exclusive) in `sequences.items`."""
    transitions = np.maximum(sequences.lengths - 1, 0)
    first = np.minimum(generator.integers(1, length + 1, size=len(transitions)), transitions)
    chunks = np.where(transitions > 0, 1 + -(-(transitions - first) // length), 0)
    user = np.repeat(np.arange(len(chunks)), chunks)
    number = np.arange(len(user)) - np.repeat(np.cumsum(chunks) - chunks, chunks)
    base = sequences.offsets[:-1][user]
    starts = base + np.where(number > 0, first[user] + (number - 1) * length, 0)
    ends = base + np.minimum(first[user] + number * length, transitions[user]) + 1
    return starts, ends


def _gather(
    sequences: Sequences, starts: NDArray[np.int64], lengths: NDArray[np.int64], width: int
) -> NDArray[np.int64]:
    """Return items (rows, width) from each start on, padded on the right."""
    steps = np.arange(width)
    inside = steps < lengths[:, None]
    index = np.where(inside, starts[:, None] + steps, 0)
    return np.where(inside, sequences.items[index], sequences.n_items)
