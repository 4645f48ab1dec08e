"""The outer loop: the factors of the summary follow the hypergradient.

Zhang et al., "TD3", WWW 2025, arXiv 2502.02854: the outer loss is the real loss of a learner that the summary trained,
plus the surrogate objective that aligns its features with the teacher's. Where we deviate: the inner loop runs in
embedding space (see `unroll`), every position is supervised by default, and learners live on across outer steps, each
at its own age, so that no warm-up step is thrown away (Zhou et al., "Dataset Distillation using Neural Feature
Regression", NeurIPS 2022). `warm_up: rat` is the paper's random truncation (Feng et al., "Embarrassingly Simple Dataset
Distillation", ICLR 2024). Factors need not be the paper's: those of every kind (see `factors`) are learned alike.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from td3core.batches import Supervised, chunk_batches, supervise
from td3core.catalogue import log_partition
from td3core.config import InnerConfig, OuterConfig, SummaryConfig
from td3core.errors import DivergedError
from td3core.factors import Factors, expected_embeddings, initial_factors, mapped
from td3core.learners.base import Learner
from td3core.pool import LearnerPool
from td3core.progress import Progress
from td3core.ranking import RankingTask
from td3core.sequences import Sequences
from td3core.train import Trained, ask
from td3core.unroll import Batch, Cohort, InnerLoop, InnerStep, draw_batches


class Candidate(NamedTuple):
    """A summary with its validation score."""

    factors: Factors
    score: float
    step: int


class Distillation:
    """One run of the outer loop: iterate it to the end, or stop at any time and take `best`.

    Raises:
        DivergedError: the outer loss is not finite; `best` still holds the last good summary.
    """

    def __init__(
        self,
        *,
        learner: Learner,
        teacher: Trained,
        train: Sequences,
        task: RankingTask,
        summary: SummaryConfig,
        inner: InnerConfig,
        outer: OuterConfig,
        seed: int,
    ) -> None:
        self.learner = learner
        self.teacher = teacher
        self.task = task
        self.summary = summary
        self.inner = inner
        self.outer = outer
        self.best: Candidate | None = None
        self._generator = torch.Generator(teacher.items.device).manual_seed(seed)
        self._real = _endless_chunks(train, learner.max_length, outer.batch_size, seed, teacher.items.device)
        self.loop = InnerLoop(
            learner=learner, items=teacher.items, lr=inner.lr, weight_decay=inner.weight_decay
        )
        drawn = initial_factors(summary, items=teacher.items, generator=self._generator)
        self._average = mapped(drawn, torch.clone)
        self.factors = mapped(drawn, Tensor.requires_grad_)
        self._learned = list(self.factors.tensors.values())
        self._optimizer = torch.optim.Adam(self._learned, lr=outer.lr, weight_decay=outer.weight_decay)
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimizer, T_max=outer.steps)
        self._pool = (
            LearnerPool(self.loop, size=inner.pool_size, lifetime=inner.steps, generator=self._generator)
            if inner.warm_up == "pool"
            else None
        )

    def __iter__(self) -> Iterator[Progress]:
        metric = f"ndcg@{self.task.cutoffs[0]}"
        score: dict[str, float] = {}
        for step in range(1, self.outer.steps + 1):
            loss = self._step()
            if not np.isfinite(loss):
                raise DivergedError(
                    f"the outer loss was {loss} at outer step {step}: lower outer.lr or inner.lr"
                )
            if step % self.outer.validate_every == 0 or step == self.outer.steps:
                latest = self._validate(step, metric)
                score = {metric: latest.score}
                if self.best is None or latest.score > self.best.score:
                    self.best = latest
            yield Progress("distilling", step, self.outer.steps, {"outer": loss} | score)

    def _step(self) -> float:
        """Move the factors once; return the outer loss."""
        cohort, members = self._begin()
        batches = self.batches(self.inner.window, len(cohort.parameters))
        loss, cohort = self.hypergradient(cohort, batches, self.real_batch())
        if self._pool is not None:
            self._pool.put_back(members, cohort, self.inner.window)
        clip_grad_norm_(self._learned, self.outer.clip)
        self._optimizer.step()
        self._schedule.step()
        for mean, factor in zip(self._average.tensors.values(), self._learned, strict=True):
            mean.lerp_(factor.detach(), 1 - self.outer.averaging)
        return loss

    def hypergradient(
        self, cohort: Cohort, batches: Sequence[Batch], real: Int[Tensor, "chunks steps"]
    ) -> tuple[float, Cohort]:
        """Set the factors' `grad` to that of the outer loss after `batches`; return the loss and the moved learners."""
        summary = expected_embeddings(self.factors, self.teacher.items)
        frozen = summary.detach()
        trajectory: list[InnerStep] = []
        for batch in batches:
            cohort, done = self.loop.step(cohort, frozen, batch)
            trajectory.append(done)
        parameters = cohort.parameters.detach().requires_grad_()
        asked = supervise(
            real, self.learner.objective, n_items=len(self.teacher.items), generator=self._generator
        )
        loss = self.outer_loss(parameters, asked) / len(parameters)
        (adjoint,) = torch.autograd.grad(loss, parameters)
        self._optimizer.zero_grad()
        torch.autograd.backward(summary, self.loop.pull_back(trajectory, frozen, adjoint))
        return float(loss.detach()), cohort

    @torch.no_grad()
    def _begin(self) -> tuple[Cohort, Int[Tensor, " learners"]]:
        """Return the learners whose next steps are differentiated, and their places in the pool."""
        if self._pool is not None:
            return self._pool.take(self.inner.learners)
        cohort = self.loop.start(self.inner.learners, generator=self._generator)
        spare = self.inner.steps - self.inner.window
        device = self.teacher.items.device
        warm_up = int(torch.randint(spare + 1, (), generator=self._generator, device=device))
        summary = expected_embeddings(self.factors, self.teacher.items)
        for batch in self.batches(warm_up, self.inner.learners):
            cohort, _ = self.loop.step(cohort, summary, batch)
        return cohort, torch.arange(self.inner.learners, device=device)

    def real_batch(self) -> Int[Tensor, "chunks steps"]:
        """Return the next chunks of the real log, epoch after epoch."""
        return next(self._real)

    def outer_loss(
        self, parameters: Float[Tensor, "learners parameters"], batch: Supervised
    ) -> Float[Tensor, ""]:
        """Real loss plus lambda times the alignment with the teacher, summed over the learners."""
        items = self.teacher.items
        outputs = ask(self.learner, parameters, items, batch)
        loss = (log_partition(outputs, items) - (outputs * items[batch.targets]).sum(-1)).mean(1).sum()
        if self.outer.alignment:
            with torch.no_grad():
                features = ask(self.learner, self.teacher.parameters, items, batch)
            loss = loss + self.outer.alignment * (outputs - features).square().mean((1, 2)).sum()
        return loss

    @torch.no_grad()
    def _validate(self, step: int, metric: str) -> Candidate:
        """Train fresh learners on the averaged summary, and score them on the validation items.

        The learners and their batches are drawn alike each time, so that scores compare.
        """
        factors = mapped(self._average, torch.clone)
        learners = self.outer.validation_learners
        generator = torch.Generator(self.teacher.items.device).manual_seed(learners)
        cohort = self.loop.start(learners, generator=generator)
        summary = expected_embeddings(factors, self.teacher.items)
        for batch in self.batches(self.inner.steps, learners, generator):
            cohort, _ = self.loop.step(cohort, summary, batch)
        figures = self.task.evaluate(self.learner, cohort.parameters, self.teacher.items)
        return Candidate(factors, float(np.mean([row[metric] for row in figures])), step)

    def batches(self, steps: int, learners: int, generator: torch.Generator | None = None) -> list[Batch]:
        """Draw what learners read in so many steps."""
        return draw_batches(
            self.learner.objective,
            steps=steps,
            learners=learners,
            users=self.summary.users,
            batch_users=self.inner.batch_of(self.summary.users),
            length=self.summary.length,
            supervision=self.inner.supervision,
            positions=self.inner.positions,
            generator=generator or self._generator,
            device=self.teacher.items.device,
        )


def _endless_chunks(
    train: Sequences, length: int, batch_size: int, seed: int, device: torch.device
) -> Iterator[Int[Tensor, "chunks steps"]]:
    shuffle = np.random.default_rng(seed)
    while True:
        yield from chunk_batches(
            train, length=length, batch_size=batch_size, generator=shuffle, device=device
        )
