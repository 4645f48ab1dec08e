"""The ranking task of leave-last-out evaluation: predict each user's held-out item."""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from td3core.batches import Histories, latest_items
from td3core.errors import LogTooSmallError
from td3core.learners.base import Learner
from td3core.metrics import ranking_metrics, target_ranks
from td3core.sequences import Split

_USERS_A_BLOCK = 512
_NEGATIVES = 100


def predict_next(
    learner: Learner,
    parameters: Float[Tensor, "learners parameters"],
    items: Float[Tensor, "items d3"],
    histories: Histories,
    *,
    reach: int | None = None,
) -> Float[Tensor, "learners users d3"]:
    """Return each learner's prediction of what comes after each history, of which it reads at most `reach` steps."""
    rows, lengths = histories.latest(min(reach or learner.max_length, learner.max_length))
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
        self._candidates: Int[Tensor, "users 101"] | None = None
        if protocol == "uni100":
            if generator is None:
                raise ValueError("the uni100 protocol draws negatives and needs a generator")
            self._candidates = self._draw_candidates(split, generator).to(device)

    @torch.no_grad()
    def evaluate(
        self,
        learner: Learner,
        parameters: Float[Tensor, "learners parameters"],
        items: Float[Tensor, "items d3"],
        *,
        reach: int | None = None,
    ) -> list[dict[str, float]]:
        """Return HR, NDCG and MRR at the cut-offs, for each learner; it reads at most `reach` steps of a history."""
        blocks: list[Int[Tensor, "learners users"]] = []
        for start in range(0, len(self.targets), _USERS_A_BLOCK):
            users = slice(start, start + _USERS_A_BLOCK)
            histories = Histories(*(part[users] for part in self.histories))
            predictions = predict_next(learner, parameters, items, histories, reach=reach)
            blocks.append(torch.stack([self._ranks(row @ items.T, users) for row in predictions]))
        return [ranking_metrics(ranks, self.cutoffs) for ranks in torch.cat(blocks, 1)]

    def evaluate_scores(self, scores: Float[Tensor, " items"]) -> dict[str, float]:
        """Return the metrics of scores that are the same for every user, such as popularity."""
        ranks = [
            self._ranks(scores.expand(len(self.targets[users]), -1), users)
            for start in range(0, len(self.targets), _USERS_A_BLOCK)
            for users in (slice(start, start + _USERS_A_BLOCK),)
        ]
        return ranking_metrics(torch.cat(ranks), self.cutoffs)

    def _ranks(self, scores: Float[Tensor, "users items"], users: slice) -> Int[Tensor, " users"]:
        targets = self.targets[users]
        if self._candidates is not None:
            return target_ranks(scores.gather(1, self._candidates[users]), torch.zeros_like(targets))
        excluded = self._seen(users, scores) if self.exclude_seen else None
        return target_ranks(scores, targets, excluded=excluded)

    def _seen(self, users: slice, scores: Tensor) -> Bool[Tensor, "users items"]:
        """Mark each user's whole history, but never the target itself."""
        seen = torch.zeros_like(scores, dtype=torch.bool)
        for row, user in enumerate(range(users.start, users.start + scores.shape[0])):
            seen[row, torch.from_numpy(self._history.of(user)).to(scores.device)] = True
        seen[torch.arange(scores.shape[0]), self.targets[users]] = False
        return seen

    def _draw_candidates(self, split: Split, generator: torch.Generator) -> Int[Tensor, "users 101"]:
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
