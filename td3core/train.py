"""Ordinary training: on a real log (the teacher, the full-data ceiling) and on fixed embedded sequences."""

from collections.abc import Generator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from td3core.batches import Supervised, chunk_batches, supervise
from td3core.catalogue import mean_cross_entropy
from td3core.config import TeacherConfig
from td3core.errors import DivergedError
from td3core.learners.base import Dropout, Learner
from td3core.progress import Progress, Stage
from td3core.ranking import RankingTask
from td3core.sequences import Sequences
from td3core.timing import Mark, Stopwatch

_INITIAL_STD = 0.02
_REPORT_EVERY = 10  # steps


class Trained(NamedTuple):
    """A learner with the item embedding it was trained beside."""

    items: Float[Tensor, "items d3"]
    parameters: Float[Tensor, "1 parameters"]
    score: float
    """Validation NDCG at the task's first cut-off."""
    trajectory: Float[Tensor, "epochs parameters"] | None = None
    """Weights after each epoch up to this one."""
    curve: tuple[Mark, ...] = ()
    """How it went, epoch after epoch, those after the best one included."""


def next_item_loss(
    learner: Learner,
    parameters: Float[Tensor, "1 parameters"],
    items: Float[Tensor, "items d3"],
    batch: Supervised,
    dropout: Dropout | None = None,
) -> Float[Tensor, ""]:
    """Mean cross-entropy of the items that the learner is asked for; differentiable by all weights."""
    (outputs,) = ask(learner, parameters, items, batch, dropout)
    return mean_cross_entropy(outputs, items, batch.targets)


def ask(
    learner: Learner,
    parameters: Float[Tensor, "learners parameters"],
    items: Float[Tensor, "items d3"],
    batch: Supervised,
    dropout: Dropout | None = None,
) -> Float[Tensor, "learners questions d3"]:
    """Return the predictions of the batch's targets."""
    embeddings = functional.embedding(batch.items, items)
    outputs = learner(
        parameters,
        embeddings.expand(len(parameters), *embeddings.shape),
        None if batch.positions is None else batch.positions[None],
        lengths=batch.lengths[None],
        dropout=dropout,
    )
    return outputs[:, batch.real]


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
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=config.max_epochs)
    metric = f"ndcg@{task.cutoffs[0]}"
    best: Trained | None = None
    misses = 0
    trajectory: list[Float[Tensor, " parameters"]] = []
    curve: list[Mark] = []
    watch = Stopwatch(device)
    epoch_steps = 0  # of the first epoch; where chunks are cut is drawn, so that others differ a little
    for epoch in range(config.max_epochs):
        watch.start()
        batches = [
            chunks
            for _ in range(learner.objective.passes)
            for chunks in chunk_batches(
                train,
                length=learner.max_length,
                batch_size=config.batch_size,
                generator=shuffle,
                device=device,
            )
        ]
        epoch_steps = epoch_steps or len(batches)
        total = torch.zeros((), dtype=dtype, device=device)
        for index, chunks in enumerate(batches):
            batch = supervise(chunks, learner.objective, n_items=train.n_items, generator=generator)
            loss = next_item_loss(learner, parameters, items, batch, drop)
            optimizer.zero_grad()
            loss.backward()  # pyright: ignore[reportUnknownMemberType]
            optimizer.step()
            total += loss.detach()
            if index % _REPORT_EVERY == 0:
                losses = {"train": float(loss.detach())} | ({} if best is None else {metric: best.score})
                step = epoch * epoch_steps + index * epoch_steps // len(batches)
                watch.stop()
                yield Progress(stage, step, config.max_epochs * epoch_steps, losses)
                watch.start()
        watch.stop()
        if not torch.isfinite(total):
            raise DivergedError(
                f"the training loss was {float(total)} in epoch {epoch + 1}: lower teacher.lr"
            )
        schedule.step()
        (figures,) = task.evaluate(learner, parameters.detach(), items.detach())
        trajectory.append(parameters.detach()[0].clone())
        curve.append(Mark(watch.seconds, figures[metric]))
        if best is None or figures[metric] > best.score:
            best = Trained(
                items.detach().clone(), parameters.detach().clone(), figures[metric], torch.stack(trajectory)
            )
            misses = 0
        else:
            misses += 1
            if misses == config.patience:
                break
    assert best is not None
    return best._replace(curve=tuple(curve))
