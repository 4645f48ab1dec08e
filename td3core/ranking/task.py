"""The ranking task of leave-last-out evaluation: predict each user's held-out item."""

from collections.abc import Iterator
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int, Int32
from torch import Tensor
from torch.nn import functional

from td3core.catalogue import row_blocks
from td3core.data import Histories, Split, latest_items, popularity
from td3core.errors import LogTooSmallError
from td3core.learners.base import Learner
from td3core.ranking.metrics import SELECTION_CUTOFF, Figures, ranking_metrics, target_ranks

_USERS_A_BLOCK = 512
_SCORES_A_BLOCK = 1 << 24
_NEGATIVES = 100


def predict_next(
    learner: Learner,
    parameters: Float[Tensor, "learners parameters"],
    items: Float[Tensor, "items d3"],
    histories: Histories,
    *,
    history_length: int | None = None,
) -> Float[Tensor, "learners users d3"]:
    """Predict what comes after each history.

    A learner reads the latest `history_length` steps of it; None: as many as it can.
    """
    rows, lengths = histories.latest(min(history_length or learner.max_length, learner.max_length))
    sequences = functional.pad(
        rows[:, : int(lengths.max())], (0, 1)
    )  # some item stands for the one to predict
    embeddings = items[sequences.clamp(max=items.shape[0] - 1)]
    outputs = learner(
        parameters,
        embeddings.expand(parameters.shape[0], *embeddings.shape),
        lengths[None, :, None],
        lengths=lengths[None] + 1,
    )
    return outputs[:, :, 0]


class RankingTask:
    """Held-out items of one split, under one protocol.

    `full` ranks the target among all items. `uni100` ranks it among 100 items drawn uniformly, without replacement,
    from those the user never interacted with; it flatters, and is here to compare with papers.

    Raises:
        LogTooSmallError: a user has had every item, so that `uni100` has none to draw.
    """

    def __init__(
        self,
        split: Split,
        *,
        part: Literal["valid", "test"],
        max_length: int,
        cutoffs: tuple[int, ...],
        protocol: Literal["full", "uni100"] = "full",
        exclude_seen: bool = False,
        generator: torch.Generator | None = None,
        device: torch.device,
    ) -> None:
        history = split.history(part)
        self.cutoffs = cutoffs
        self.exclude_seen = exclude_seen
        self.histories = latest_items(history, length=max_length, device=device)
        self.targets: Int[Tensor, " users"] = torch.from_numpy(getattr(split, part)).to(device)
        self._history = history
        self._train = split.train
        self._ranked_items: Int[Tensor, "users 101"] | None = None
        if protocol == "uni100":
            if generator is None:
                raise ValueError("the uni100 protocol draws negatives and needs a generator")
            self._ranked_items = self._draw_ranked_items(split, generator).to(device)

    def evaluate(
        self,
        learner: Learner,
        parameters: Float[Tensor, "learners parameters"],
        items: Float[Tensor, "items d3"],
        *,
        history_length: int | None = None,
    ) -> list[Figures]:
        """Return HR, NDCG and MRR at the cut-offs for each learner, which reads the latest `history_length` steps."""
        ranks = self.ranks(learner, parameters, items, history_length=history_length)
        return [ranking_metrics(row, self.cutoffs) for row in ranks]

    @torch.no_grad()
    def ranks(
        self,
        learner: Learner,
        parameters: Float[Tensor, "learners parameters"],
        items: Float[Tensor, "items d3"],
        *,
        history_length: int | None = None,
    ) -> Int32[Tensor, "learners users"]:
        """Return the rank, from 1, at which each learner puts each user's target."""
        blocks: list[Int[Tensor, "learners users"]] = []
        for users in self._blocks(len(items)):
            histories = Histories(*(part[users] for part in self.histories))
            predictions = predict_next(learner, parameters, items, histories, history_length=history_length)
            seen = self._seen(users, len(items))
            blocks.append(torch.stack([self._ranks(row @ items.T, users, seen) for row in predictions]))
        return torch.cat(blocks, 1).int()

    def evaluate_scores(self, scores: Float[Tensor, " items"]) -> Figures:
        """Return the metrics of scores that are the same for every user, such as popularity."""
        return ranking_metrics(self.ranks_of_scores(scores), self.cutoffs)

    def ranks_of_scores(self, scores: Float[Tensor, " items"]) -> Int32[Tensor, " users"]:
        """Return the rank of each user's target by scores that are the same for every user."""
        ranks = [
            self._ranks(scores.expand(len(self.targets[users]), -1), users, self._seen(users, len(scores)))
            for users in self._blocks(len(scores))
        ]
        return torch.cat(ranks).int()

    @cached_property
    def popularity(self) -> Figures:
        """The metrics of ranking items by how often they are in the training split."""
        return self.evaluate_scores(torch.from_numpy(popularity(self._train)).to(self.targets.device).float())

    def _blocks(self, n_items: int) -> Iterator[slice]:
        return row_blocks(len(self.targets), n_items, scores=_SCORES_A_BLOCK, most_rows=_USERS_A_BLOCK)

    def _ranks(
        self,
        scores: Float[Tensor, "users items"],
        users: slice,
        seen: Bool[Tensor, "users items"] | None,
    ) -> Int[Tensor, " users"]:
        targets = self.targets[users]
        if self._ranked_items is not None:
            return target_ranks(scores.gather(1, self._ranked_items[users]), torch.zeros_like(targets))
        return target_ranks(scores, targets, excluded=seen)

    def _seen(self, users: slice, n_items: int) -> Bool[Tensor, "users items"] | None:
        """Mark the whole history of each user, if it is to be left out."""
        if not self.exclude_seen or self._ranked_items is not None:
            return None
        seen = torch.zeros(users.stop - users.start, n_items, dtype=torch.bool)
        for row, user in zip(seen, range(users.start, users.stop), strict=True):
            row[torch.from_numpy(self._history.of(user))] = True
        return seen.to(self.targets.device)

    def _draw_ranked_items(self, split: Split, generator: torch.Generator) -> Int[Tensor, "users 101"]:
        """Return each user's target, then the negatives (fewer distinct ones are topped up by repetition)."""
        rows: list[Tensor] = []
        everything = split.history("test")
        for user, target in enumerate(self.targets.cpu()):
            weights = torch.ones(split.train.n_items)
            weights[torch.from_numpy(everything.of(user))] = 0
            weights[int(split.test[user])] = 0
            unseen = int(weights.count_nonzero())
            if not unseen:
                raise LogTooSmallError(
                    f"user {split.train.user_ids[user]} has had all {len(weights)} items, so that protocol uni100 has "
                    "no negative to draw: take protocol full"
                )
            drawn = torch.multinomial(weights, min(unseen, _NEGATIVES), generator=generator)
            rows.append(torch.cat((target[None], drawn.repeat(-(-_NEGATIVES // len(drawn)))[:_NEGATIVES])))
        return torch.stack(rows)


def validation_task(
    split: Split, *, max_length: int, exclude_seen: bool, device: torch.device
) -> RankingTask:
    """Return the task by whose `SELECTION_METRIC` the best of a training or a distillation is selected."""
    return RankingTask(
        split,
        part="valid",
        max_length=max_length,
        cutoffs=(SELECTION_CUTOFF,),
        exclude_seen=exclude_seen,
        device=device,
    )
