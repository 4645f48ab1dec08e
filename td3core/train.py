"""Ordinary training: on a real log (the teacher, the full-data ceiling) and on fixed embedded sequences."""

from collections.abc import Generator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from td3core.batches import chunk_batches
from td3core.config import TeacherConfig
from td3core.errors import DivergedError
from td3core.learners.base import Dropout, Learner
from td3core.progress import Progress, Stage
from td3core.ranking import RankingTask
from td3core.sequences import Sequences

_INITIAL_STD = 0.02
_REPORT_EVERY = 10  # steps


class Trained(NamedTuple):
    """A learner with the item embedding it was trained beside."""

    items: Float[Tensor, "items d3"]
    parameters: Float[Tensor, "1 parameters"]
    score: float
    """Validation NDCG at the task's first cut-off."""


def next_item_loss(
    learner: Learner,
    parameters: Float[Tensor, "1 parameters"],
    items: Float[Tensor, "items d3"],
    chunks: Int[Tensor, "chunks steps"],
    dropout: Dropout | None = None,
) -> Float[Tensor, ""]:
    """Mean cross-entropy of the next item at every position of padded chunks; differentiable by all weights."""
    n_items = items.shape[0]
    inputs, targets = chunks[:, :-1].clamp(max=n_items - 1), chunks[:, 1:]
    outputs = learner(parameters, functional.embedding(inputs, items)[None], dropout)[0]
    real = targets < n_items
    return functional.cross_entropy(outputs[real] @ items.T, targets[real])


def train_on_log(
    learner: Learner,
    train: Sequences,
    task: RankingTask,
    *,
    config: TeacherConfig,
    dropout: float,
    seed: int,
    stage: Stage,
    device: torch.device,
    dtype: torch.dtype,
) -> Generator[Progress, None, Trained]:
    """Train weights and item embedding until the validation NDCG stops rising; return the best.

    Raises:
        DivergedError: a loss is not finite.
    """
    generator = torch.Generator(device).manual_seed(seed)
    shuffle = np.random.default_rng(seed)
    drop = Dropout(dropout, generator)
    items = torch.empty(train.n_items, learner.embedding_size, dtype=dtype, device=device)
    items.normal_(std=_INITIAL_STD, generator=generator).requires_grad_()
    parameters = learner.initialise(1, generator=generator, dtype=dtype, device=device).requires_grad_()
    optimizer = torch.optim.Adam(
        [items, parameters], lr=config.lr, weight_decay=config.weight_decay, fused=True
    )
    metric = f"ndcg@{task.cutoffs[0]}"
    best: Trained | None = None
    misses = 0
    for epoch in range(config.max_epochs):
        batches = list(
            chunk_batches(
                train,
                length=learner.max_length,
                batch_size=config.batch_size,
                generator=shuffle,
                device=device,
            )
        )
        total = torch.zeros((), dtype=dtype, device=device)
        for index, chunks in enumerate(batches):
            loss = next_item_loss(learner, parameters, items, chunks, drop)
            optimizer.zero_grad()
            loss.backward()  # pyright: ignore[reportUnknownMemberType]
            optimizer.step()
            total += loss.detach()
            if index % _REPORT_EVERY == 0:
                losses = {"train": float(loss.detach())} | ({} if best is None else {metric: best.score})
                yield Progress(stage, epoch * len(batches) + index, config.max_epochs * len(batches), losses)
        if not torch.isfinite(total):
            raise DivergedError(
                f"the training loss was {float(total)} in epoch {epoch + 1}: lower teacher.lr"
            )
        (figures,) = task.evaluate(learner, parameters.detach(), items.detach())
        if best is None or figures[metric] > best.score:
            best = Trained(items.detach().clone(), parameters.detach().clone(), figures[metric])
            misses = 0
        else:
            misses += 1
            if misses == config.patience:
                break
    assert best is not None
    return best
