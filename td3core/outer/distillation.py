"""The outer loop: the factors of the summary follow the hypergradient.

Zhang et al., "TD3", WWW 2025, arXiv 2502.02854: the outer loss is the real loss of a learner that the summary trained,
plus the surrogate objective that aligns its features with the teacher's. Where we deviate: the inner loop runs in
embedding space (see `unroll`), every position is supervised by default, and learners live so briefly that all their
steps are differentiated. Longer lives go on across outer steps, each learner at its own age, so that no warm-up step is
thrown away (Zhou et al., "Dataset Distillation using Neural Feature Regression", NeurIPS 2022); `warm_up: rat` is the
paper's random truncation (Feng et al., "Embarrassingly Simple Dataset Distillation", ICLR 2024). Factors need not be
the paper's: those of every kind (see `factors`) are learned alike.
"""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from td3core.catalogue import CatalogueSampler, inclusion_probabilities, room_for, with_smaller_blocks
from td3core.checkpoint import OptimizerTensors, optimizer_tensors, restore_generator, restore_optimizer
from td3core.config import JobSpec
from td3core.data import ChunksState, EndlessChunks, Sequences, SupervisedChunks, popularity, supervise
from td3core.errors import DivergedError
from td3core.factors import (
    KnownFactors,
    expected_embeddings,
    factors_near,
    history_length,
    initial_factors,
    map_tensors,
)
from td3core.inner import Labeller, build_batch_sampler, build_inner_loop, build_lesson_maker
from td3core.learners import Learner
from td3core.outer.hypergradient import Hypergradient, OuterStep, hypergradient
from td3core.outer.learners import build_learner_source
from td3core.outer.objective import build_objective
from td3core.outer.pool import Places, PoolState
from td3core.progress import Progress
from td3core.ranking import SELECTION_METRIC, RankingTask
from td3core.rounding import rounded
from td3core.schedules import cosine_decay, set_learning_rate
from td3core.training import Trained, roll_out

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

    Between two reports it can be left for another, fresh one to go on from its `state`. Of the spec it reads the
    summary, the inner and the outer loop, when to stop, the seed, and whether a sequence has an item twice.

    Raises:
        DivergedError: the outer loss is not finite, or ten times the first; `best` still holds the last good summary.
    """

    def __init__(
        self,
        spec: JobSpec,
        *,
        learner: Learner,
        teacher: Trained,
        train: Sequences,
        task: RankingTask,
        started: float | None = None,
    ) -> None:
        self.spec = spec
        self.teacher = teacher
        self.task = task
        self.started = time.monotonic() if started is None else started
        """When the time that `stop.seconds` allows began, on the monotonic clock."""
        self.course = DistillationCourse()
        items, summary, inner, outer = teacher.items, spec.summary, spec.inner, spec.outer
        self.generator = torch.Generator(items.device).manual_seed(spec.seed)
        on_gpu = items.is_cuda
        short = outer.steps * inner.differentiated < _WORTH_COMPILING
        recording = on_gpu and inner.compile != "never"
        self.loop = build_inner_loop(
            inner,
            learner=learner,
            items=items,
            steps=inner.life,
            compilation="never" if inner.compile == "auto" and (short or on_gpu) else inner.compile,
            recording=recording,
        )
        self.batches = build_batch_sampler(
            inner, learner.objective, users=summary.users, length=summary.length
        )
        labeller = Labeller(learner, teacher.parameters, items)
        self.lessons = build_lesson_maker(inner.targets, labeller)
        self.objective = build_objective(outer, learner=learner, teacher=teacher)
        probabilities = None
        if outer.candidates is not None and outer.candidates < len(items):
            counts = torch.from_numpy(popularity(train)).to(items)
            probabilities = inclusion_probabilities(counts, outer.candidates)
        size = room_for(outer.candidates) if outer.candidates and recording else 0
        self.catalogues = CatalogueSampler(items, probabilities, size)
        drawn = self._initial_factors(labeller, train)
        self._average = map_tensors(drawn, torch.clone)
        self.factors = map_tensors(drawn, Tensor.requires_grad_)
        self.log_lr = torch.zeros((), dtype=items.dtype, device=items.device)
        """Logarithm of the factor on the inner learning rates."""
        self._optimizer = torch.optim.Adam(
            self.factors.tensors.values(), lr=outer.lr, weight_decay=outer.weight_decay
        )
        if inner.learn_lr:
            self._optimizer.add_param_group({"params": [self.log_lr.requires_grad_()], "weight_decay": 0.0})
        self.learners = build_learner_source(
            inner,
            loop=self.loop,
            lessons=self.lessons,
            batches=self.batches,
            trajectory=teacher.trajectory,
            generator=self.generator,
        )
        self._chunks = EndlessChunks(
            train,
            length=history_length(self.factors),
            batch_size=outer.batch_size,
            seed=spec.seed,
            device=items.device,
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
            pool=self.learners.state(),
            generator=self.generator.get_state(),
            real=self._chunks.state(),
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
        self.learners.restore(state.pool)
        restore_generator(self.generator, state.generator)
        self._chunks.restore(state.real)

    def _initial_factors(self, labeller: Labeller, train: Sequences) -> KnownFactors:
        """Draw the factors before the first step."""
        summary, items = self.spec.summary, labeller.items
        if summary.starts_with == "noise":
            return initial_factors(summary, items=items, generator=self.generator)
        sampled = roll_out(
            labeller,
            train,
            summary.users,
            length=summary.length,
            distinct=self.spec.data.exclude_seen and summary.length <= len(items),
            generator=self.generator,
        )
        return factors_near(summary, items[sampled], items=items)

    def __iter__(self) -> Iterator[Progress]:
        outer = self.spec.outer
        for step in range(self.course.step + 1, outer.steps + 1):
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
            last = step == outer.steps
            if last or part >= 1 or step % outer.validate_every == 0:
                latest = self._validate(step)
                course = replace(
                    course,
                    figures={SELECTION_METRIC: latest.score},
                    best=latest if self.best is None or latest.score > self.best.score else self.best,
                    stopped=None if last else self._reason_to_stop(latest.score, part),
                )
            self.course = course
            yield Progress("distilling", step, outer.steps, {"outer": loss}, course.figures)

    def _reason_to_stop(self, score: float, part: float) -> Literal["recovery", "seconds"] | None:
        recovery = self.spec.stop.recovery
        if recovery is not None and score >= recovery * self.teacher.score:
            return "recovery"
        return "seconds" if part >= 1 else None

    def _set_rate(self, steps: int) -> float:
        """Set the learning rate on its cosine by steps or by time, whichever is further on; return how far that is."""
        outer, seconds = self.spec.outer, self.spec.stop.seconds
        part = steps / outer.steps
        if seconds is not None:
            part = max(part, (time.monotonic() - self.started) / seconds)
        set_learning_rate(self._optimizer, outer.lr * cosine_decay(part))
        return part

    def _step(self) -> float:
        """Move the factors once; return the outer loss.

        A GPU is waited for twice: while the step is drawn, when it has nothing else to do, and in the end for the loss.
        """
        step, places = self.draw_step()
        found = with_smaller_blocks(
            lambda: hypergradient(
                self.factors, step, loop=self.loop, lessons=self.lessons, objective=self.objective
            )
        )
        self.learners.put_back(places, found.cohort)
        self._descend(found)
        return float(found.loss)

    def draw_step(self) -> tuple[OuterStep, Places]:
        """Draw what the next outer step is made with, and where its learners are to be put back."""
        catalogue = self.catalogues.draw(self.generator)
        cohort, places = self.learners.take(self.factors, catalogue)
        batches = self.batches.draw(
            self.spec.inner.differentiated, learners=len(cohort.parameters), generator=self.generator
        )
        return OuterStep(cohort, batches, self.real_batch(), catalogue), places

    def real_batch(self) -> SupervisedChunks:
        """Return the next chunks of the real log, epoch after epoch, with the steps to predict."""
        return supervise(
            next(self._chunks),
            self.loop.learner.objective,
            n_items=len(self.teacher.items),
            generator=self.generator,
        )

    def _descend(self, found: Hypergradient) -> None:
        """Take a step of Adam along the clipped gradient, and follow with the running mean."""
        learned = self.factors.tensors
        for name, factor in learned.items():
            factor.grad = found.by_factors[name]
        if self.spec.inner.learn_lr:
            self.log_lr.grad = found.by_log_lr
        clip_grad_norm_(learned.values(), self.spec.outer.clip)
        self._optimizer.step()
        if self.spec.inner.learn_lr:
            self.loop.lr_factor = float(self.log_lr.detach().exp())
        for name, mean in self._average.tensors.items():
            mean.lerp_(learned[name].detach(), 1 - self.spec.outer.averaging)

    @torch.no_grad()
    def _validate(self, step: int) -> ScoredFactors:
        """Train fresh learners on the averaged summary as it is stored, and score them on the validation items.

        The learners and their batches are drawn alike each time, so that scores compare.
        """
        stored = rounded(map_tensors(self._average, torch.clone).tensors, self.spec.summary.precision)
        factors, items = self._average.with_tensors(stored), self.teacher.items
        learners = self.spec.outer.validation_learners
        generator = torch.Generator(items.device).manual_seed(learners)
        cohort = self.loop.start(learners, generator=generator)
        lesson = self.lessons.lesson(expected_embeddings(factors, items), self.loop.catalogue)
        for batch in self.batches.draw(self.spec.inner.life, learners=learners, generator=generator):
            cohort = self.loop.step(cohort, lesson, batch)
        figures = self.task.evaluate(
            self.loop.learner, cohort.parameters, items, history_length=history_length(factors)
        )
        return ScoredFactors(
            factors, self.loop.lr_factor, float(np.mean([row[SELECTION_METRIC] for row in figures])), step
        )
