"""The outer loop: the factors of the summary follow the hypergradient.

Zhang et al., "TD3", WWW 2025, arXiv 2502.02854: the outer loss is the real loss of a learner that the summary trained,
plus the surrogate objective that aligns its features with the teacher's. Where we deviate: the inner loop runs in
embedding space (see `unroll`), every position is supervised by default, and learners live so shortly that all their
steps are differentiated. Longer lives go on across outer steps, each learner at its own age, so that no warm-up step is
thrown away (Zhou et al., "Dataset Distillation using Neural Feature Regression", NeurIPS 2022); `warm_up: rat` is the
paper's random truncation (Feng et al., "Embarrassingly Simple Dataset Distillation", ICLR 2024). Factors need not be
the paper's: those of every kind (see `factors`) are learned alike.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from td3core.catalogue import Catalogue, draw_candidates, inclusion_probabilities
from td3core.checkpoint import OptimizerTensors, optimizer_tensors, restore_generator, restore_optimizer
from td3core.config import InnerConfig, OuterConfig, StopConfig, SummaryConfig
from td3core.data import ChunksState, EndlessChunks, Sequences, SupervisedChunks, popularity, supervise
from td3core.errors import DivergedError
from td3core.factors import KnownFactors, expected_embeddings, history_length, initial_factors, map_tensors
from td3core.inner import Batch, Cohort, build_inner_loop, draw_batches
from td3core.learners.base import Learner
from td3core.outer.pool import LearnerPool, PoolState
from td3core.progress import Progress
from td3core.ranking import RankingTask
from td3core.training import Trained, predict_targets

_EXPLODED = 10.0  # times the first outer loss
_WORTH_COMPILING = 5000  # differentiated steps, which save what compiling takes where it was never done


class ScoredFactors(NamedTuple):
    """The factors of a summary with their validation score."""

    factors: KnownFactors
    lr_factor: float
    """On the learning rates of learners trained on it."""
    score: float
    step: int


@dataclass(frozen=True)
class DistillationCourse:
    """How far a distillation is, and what has come of it."""

    step: int = 0
    """Outer steps done."""
    first_loss: float | None = None
    """The outer loss of the first step."""
    figures: Mapping[str, float] = field(default_factory=dict[str, float])
    """The latest validation figure, by its name."""
    best: ScoredFactors | None = None
    stopped: Literal["recovery", "seconds"] | None = None
    """What ended it before its last step."""


@dataclass(frozen=True)
class DistillationState:
    """All that lives across outer steps; its tensors are those of the distillation itself."""

    course: DistillationCourse
    factors: KnownFactors
    average: KnownFactors
    log_lr: Float[Tensor, ""]
    optimizer: OptimizerTensors
    pool: PoolState | None
    generator: UInt8[Tensor, " state"]
    real: ChunksState


class Distillation:
    """One run of the outer loop: iterate it to the end, or stop at any time and take `best`.

    Between two reports it can be left for another, fresh one to go on from its `state`.

    Raises:
        DivergedError: the outer loss is not finite, or ten times the first; `best` still holds the last good summary.
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
        stop: StopConfig | None = None,
        seed: int,
        started: float | None = None,
    ) -> None:
        self.learner = learner
        self.teacher = teacher
        self.task = task
        self.summary = summary
        self.inner = inner
        self.outer = outer
        self.stop = stop or StopConfig()
        self.started = time.monotonic() if started is None else started
        """When the time that `stop.seconds` allows began, on the monotonic clock."""
        self.course = DistillationCourse()
        items = teacher.items
        self._generator = torch.Generator(items.device).manual_seed(seed)
        short = outer.steps * inner.differentiated < _WORTH_COMPILING
        self.loop = build_inner_loop(
            inner,
            learner=learner,
            items=items,
            steps=inner.steps,
            compilation="never" if inner.compile == "auto" and short else inner.compile,
        )
        drawn = initial_factors(summary, items=items, generator=self._generator)
        self._average = map_tensors(drawn, torch.clone)
        self.factors = map_tensors(drawn, Tensor.requires_grad_)
        self._real = EndlessChunks(
            train,
            length=history_length(self.factors),
            batch_size=outer.batch_size,
            seed=seed,
            device=items.device,
        )
        self._learned = list(self.factors.tensors.values())
        self.log_lr = torch.zeros((), dtype=items.dtype, device=items.device)
        """Logarithm of the factor on the inner learning rates."""
        self._optimizer = torch.optim.Adam(self._learned, lr=outer.lr, weight_decay=outer.weight_decay)
        if inner.learn_lr:
            self._optimizer.add_param_group({"params": [self.log_lr.requires_grad_()], "weight_decay": 0.0})
        self._probabilities: Float[Tensor, " items"] | None = None
        if outer.candidates is not None and outer.candidates < len(items):
            counts = torch.from_numpy(popularity(train)).to(items)
            self._probabilities = inclusion_probabilities(counts, outer.candidates)
        self._pool = (
            LearnerPool(self._start, size=inner.pool_size, lifetime=inner.steps, generator=self._generator)
            if inner.warm_up == "pool"
            else None
        )

    @property
    def best(self) -> ScoredFactors | None:
        """The best summary so far."""
        return self.course.best

    def state(self) -> DistillationState:
        """Return all that lives across outer steps; write it before the distillation goes on."""
        return DistillationState(
            course=self.course,
            factors=self.factors,
            average=self._average,
            log_lr=self.log_lr,
            optimizer=optimizer_tensors(self._optimizer),
            pool=None if self._pool is None else self._pool.state(),
            generator=self._generator.get_state(),
            real=self._real.state(),
        )

    @torch.no_grad()
    def restore(self, state: DistillationState) -> None:
        """Go on where a distillation of the same arguments was."""
        self.course = state.course
        for name, factor in self.factors.tensors.items():
            factor.copy_(state.factors.tensors[name])
            self._average.tensors[name].copy_(state.average.tensors[name])
        self.log_lr.copy_(state.log_lr)
        self.loop.lr_factor = float(self.log_lr.exp())
        restore_optimizer(self._optimizer, state.optimizer)
        if self._pool is not None and state.pool is not None:
            self._pool.restore(state.pool)
        restore_generator(self._generator, state.generator)
        self._real.restore(state.real)

    def __iter__(self) -> Iterator[Progress]:
        metric = f"ndcg@{self.task.cutoffs[0]}"
        for step in range(self.course.step + 1, self.outer.steps + 1):
            if self.course.stopped:
                return
            part = self._set_rate(step - 1)
            loss = self._step()
            first_loss = loss if self.course.first_loss is None else self.course.first_loss
            if not math.isfinite(loss) or loss > _EXPLODED * first_loss:
                raise DivergedError(
                    f"the outer loss was {loss:.4g} at outer step {step}, {first_loss:.4g} at the first: "
                    "lower outer.lr or inner.lr"
                )
            course = replace(self.course, step=step, first_loss=first_loss)
            last = step == self.outer.steps
            if last or part >= 1 or step % self.outer.validate_every == 0:
                latest = self._validate(step, metric)
                course = replace(
                    course,
                    figures={metric: latest.score},
                    best=latest if self.best is None or latest.score > self.best.score else self.best,
                    stopped=None if last else self._reason_to_stop(latest.score, part),
                )
            self.course = course
            yield Progress("distilling", step, self.outer.steps, {"outer": loss}, course.figures)

    def _reason_to_stop(self, score: float, part: float) -> Literal["recovery", "seconds"] | None:
        if self.stop.recovery is not None and score >= self.stop.recovery * self.teacher.score:
            return "recovery"
        return "seconds" if part >= 1 else None

    def _set_rate(self, steps: int) -> float:
        """Set the learning rate on its cosine by steps or by time, whichever is further on; return how far that is."""
        part = steps / self.outer.steps
        if self.stop.seconds is not None:
            part = max(part, (time.monotonic() - self.started) / self.stop.seconds)
        for group in self._optimizer.param_groups:
            group["lr"] = self.outer.lr * (1 + math.cos(math.pi * min(part, 1.0))) / 2
        return part

    def _step(self) -> float:
        """Move the factors once; return the outer loss."""
        catalogue = self.catalogue()
        cohort, members = self._begin(catalogue)
        batches = self.batches(self.inner.differentiated, len(cohort.parameters))
        loss, cohort = self.hypergradient(cohort, batches, self.real_batch(), catalogue)
        if self._pool is not None:
            self._pool.put_back(members, cohort, self.inner.differentiated)
        clip_grad_norm_(self._learned, self.outer.clip)
        self._optimizer.step()
        self.loop.lr_factor = float(self.log_lr.detach().exp())
        for mean, factor in zip(self._average.tensors.values(), self._learned, strict=True):
            mean.lerp_(factor.detach(), 1 - self.outer.averaging)
        return loss

    def hypergradient(
        self,
        cohort: Cohort,
        batches: Sequence[Batch],
        real: Int[Tensor, "chunks steps"],
        catalogue: Catalogue | None = None,
    ) -> tuple[float, Cohort]:
        """Set the factors' `grad` to that of the outer loss after `batches`; return the loss and the moved learners."""
        catalogue = catalogue or self.loop.catalogue
        summary = expected_embeddings(self.factors, self.teacher.items, catalogue)
        frozen = summary.detach()
        cohort, trajectory = self.loop.unroll(cohort, frozen, batches, catalogue)
        parameters = cohort.parameters.detach().requires_grad_()
        supervised = supervise(
            real, self.learner.objective, n_items=len(self.teacher.items), generator=self._generator
        )
        loss = self.outer_loss(parameters, supervised, catalogue) / len(parameters)
        (adjoint,) = torch.autograd.grad(loss, parameters)
        pulled = self.loop.pull_back(trajectory, frozen, adjoint, catalogue)
        self._optimizer.zero_grad()
        torch.autograd.backward(summary, pulled.by_summary)
        if self.inner.learn_lr:
            self.log_lr.grad = pulled.by_log_lr
        return float(loss.detach()), cohort

    def catalogue(self) -> Catalogue:
        """Return the items of this outer step: all, or candidates."""
        if self._probabilities is None:
            return self.loop.catalogue
        return draw_candidates(self.teacher.items, self._probabilities, generator=self._generator)

    @torch.no_grad()
    def _begin(self, catalogue: Catalogue) -> tuple[Cohort, Int[Tensor, " learners"]]:
        """Return the learners whose next steps are differentiated, and their places in the pool."""
        if self._pool is not None:
            return self._pool.take(self.inner.learners)
        cohort = self._start(self.inner.learners)
        device = self.teacher.items.device
        spare = self.inner.steps - self.inner.differentiated
        if self.inner.warm_up == "rat":
            spare = int(torch.randint(spare + 1, (), generator=self._generator, device=device))
        summary = expected_embeddings(self.factors, self.teacher.items, catalogue)
        for batch in self.batches(spare, self.inner.learners):
            cohort = self.loop.step(cohort, summary, batch, catalogue)
        return cohort, torch.arange(self.inner.learners, device=device)

    def _start(self, learners: int) -> Cohort:
        """Return learners of age zero, as `inner.initial` says."""
        fresh = self.loop.start(learners, generator=self._generator)
        trajectory = self.teacher.trajectory
        if self.inner.initial == "random" or trajectory is None:
            return fresh
        device = trajectory.device
        epochs = torch.randint(len(trajectory), (learners,), generator=self._generator, device=device)
        share = 0.5 if self.inner.initial == "mixed" else 1.0
        trained = torch.rand(learners, 1, generator=self._generator, device=device) < share
        return self.loop.begin_from(torch.where(trained, trajectory[epochs], fresh.parameters))

    def real_batch(self) -> Int[Tensor, "chunks steps"]:
        """Return the next chunks of the real log, epoch after epoch."""
        return next(self._real)

    def outer_loss(
        self,
        parameters: Float[Tensor, "learners parameters"],
        batch: SupervisedChunks,
        catalogue: Catalogue | None = None,
    ) -> Float[Tensor, ""]:
        """Real loss plus lambda times the alignment with the teacher, summed over the learners."""
        items = self.teacher.items
        catalogue = catalogue or self.loop.catalogue
        outputs = predict_targets(self.learner, parameters, items, batch)
        loss = (catalogue.log_partition(outputs) - (outputs * items[batch.targets]).sum(-1)).mean(1).sum()
        if self.outer.alignment:
            with torch.no_grad():
                features = predict_targets(self.learner, self.teacher.parameters, items, batch)
            apart = outputs - features
            if self.outer.alignment_at == "last":
                apart = apart[:, batch.last]
            loss = loss + self.outer.alignment * apart.square().mean((1, 2)).sum()
        return loss

    @torch.no_grad()
    def _validate(self, step: int, metric: str) -> ScoredFactors:
        """Train fresh learners on the averaged summary, and score them on the validation items.

        The learners and their batches are drawn alike each time, so that scores compare.
        """
        factors = map_tensors(self._average, torch.clone)
        learners = self.outer.validation_learners
        generator = torch.Generator(self.teacher.items.device).manual_seed(learners)
        cohort = self.loop.start(learners, generator=generator)
        summary = expected_embeddings(factors, self.teacher.items)
        for batch in self.batches(self.inner.steps, learners, generator):
            cohort = self.loop.step(cohort, summary, batch)
        figures = self.task.evaluate(
            self.learner, cohort.parameters, self.teacher.items, history_length=history_length(factors)
        )
        return ScoredFactors(
            factors, self.loop.lr_factor, float(np.mean([row[metric] for row in figures])), step
        )

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
