"""The inner loop, forwards and in reverse.

With V frozen the paper's inner loss, the KL divergence between a soft target S_t and the prediction, is

    KL(S_t || softmax(V o_{t-1})) = const(S_t) + logsumexp(V o_{t-1}) - o_{t-1} . X_t,

so the loop runs on the expected embeddings X alone. The derivative by the prediction is `m(o_{t-1}) - X_t`, where
m(o) is the expected embedding under the prediction: what the learner expects less what the summary says. Other targets
than S_t, such as the teacher's predictions, stand there with their own expected embeddings (see `lessons`). The reverse
pass keeps weights, moments and catalogue sums of each step and works the step's graph out anew: memory does not grow
with the window but for those.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from td3core.catalogue import Catalogue, Sums
from td3core.config import Compilation, InnerConfig, Precision
from td3core.inner.batches import Batch
from td3core.inner.captured import captured
from td3core.inner.compiled import compiled
from td3core.inner.lessons import Lesson
from td3core.inner.optimizers import SGD, Adam, Adjoint, Optimizer, OptimizerState, initial_state
from td3core.learners.base import Learner, steps_at
from td3core.schedules import Schedule


class Cohort(NamedTuple):
    """Several learners in mid-training."""

    parameters: Float[Tensor, "learners parameters"]
    optimizer: OptimizerState


class InnerStep(NamedTuple):
    """What the reverse pass needs of one step."""

    before: Float[Tensor, "learners parameters"]
    gradient: Float[Tensor, "learners parameters"]
    lr: Float[Tensor, "learners 1"]
    after: OptimizerState
    batch: Batch
    sums: Sums


class PulledBack(NamedTuple):
    """Derivatives of an outer loss by what the learners were trained with."""

    by_lesson: Lesson
    by_log_lr: Float[Tensor, ""]
    """By the logarithm of a factor on all learning rates."""


class InnerLoop:
    """Learners that take steps on a summary, each at the learning rate of its age.

    With `precision` bfloat16 the learner's products are taken in it (autocast); weights, moments and the sums over the
    catalogue keep the precision of the items, since the reverse pass lives on differences of small numbers. What
    `unroll` and `pull_back` do may be compiled, and on a GPU recorded (see `captured`): it then holds until they are
    called again.
    """

    def __init__(
        self,
        *,
        learner: Learner,
        items: Float[Tensor, "items d3"],
        optimizer: Optimizer,
        schedule: Schedule,
        precision: Precision = "float32",
        compilation: Compilation = "never",
        recording: bool = False,
    ) -> None:
        self.learner = learner
        self.catalogue = Catalogue(items)
        self.optimizer = optimizer
        self.schedule = schedule
        self.precision = precision
        self._lr_factor = items.new_ones(())  # a tensor, so that what is recorded finds each new value there
        self._forwards, self._backwards = self._step, self._step_back
        if compilation != "never":
            required = compilation == "always"
            self._forwards = compiled(self._step, required=required)
            self._backwards = compiled(self._step_back, required=required)
        self._steps, self._steps_back = self._take, self._take_back
        if recording:
            self._steps, self._steps_back = captured(self._take), captured(self._take_back)

    @property
    def lr_factor(self) -> float:
        """On all learning rates; an outer loop may learn it."""
        return float(self._lr_factor)

    @lr_factor.setter
    def lr_factor(self, factor: float) -> None:
        self._lr_factor.fill_(factor)

    def start(self, learners: int, *, generator: torch.Generator) -> Cohort:
        """Return fresh learners."""
        items = self.catalogue.items
        return self.begin_from(
            self.learner.initialise(learners, generator=generator, dtype=items.dtype, device=items.device)
        )

    def begin_from(self, parameters: Float[Tensor, "learners parameters"]) -> Cohort:
        """Return learners of age zero with these weights."""
        return Cohort(parameters, initial_state(self.optimizer, parameters))

    def predict(
        self,
        parameters: Float[Tensor, "learners parameters"],
        lesson: Lesson,
        batch: Batch,
    ) -> tuple[Float[Tensor, "learners batch supervised d3"], Float[Tensor, "learners batch supervised d3"]]:
        """Return predictions and expected embeddings of the targets (o_{t-1}, X_t) at the supervised positions."""
        embeddings = lesson.inputs[batch.users]  # (learners, batch, zeta, d3)
        targets = embeddings if lesson.targets is None else lesson.targets[batch.users]
        with torch.autocast(
            embeddings.device.type, torch.bfloat16, enabled=self.precision == "bfloat16", cache_enabled=False
        ):
            outputs = self.learner(parameters, embeddings, batch.positions, lengths=batch.lengths)
        return outputs.to(embeddings.dtype), steps_at(targets, batch.positions)

    def by_outputs(
        self,
        outputs: Float[Tensor, "learners batch supervised d3"],
        targets: Float[Tensor, "learners batch supervised d3"],
        batch: Batch,
        catalogue: Catalogue,
        sums: Sums,
    ) -> Float[Tensor, "learners batch supervised d3"]:
        """Return the derivative by the outputs of the mean KL divergence, summed over the learners."""
        apart = catalogue.mean(outputs, sums) - targets
        weights = batch.weights(targets)
        if weights is None:
            return apart / (targets.shape[1] * targets.shape[2])
        return apart * (weights / weights.sum((1, 2), keepdim=True).clamp_min(1))[..., None]

    def step(
        self,
        cohort: Cohort,
        lesson: Lesson,
        batch: Batch,
        catalogue: Catalogue | None = None,
    ) -> Cohort:
        """Take one step; on a part of the catalogue, if one is given."""
        return self._step(catalogue or self.catalogue, cohort, lesson, batch, self._lr(cohort))[0]

    def unroll(
        self,
        cohort: Cohort,
        lesson: Lesson,
        batches: Sequence[Batch],
        catalogue: Catalogue | None = None,
    ) -> tuple[Cohort, tuple[InnerStep, ...]]:
        """Take steps that `pull_back` can go back."""
        return self._steps(catalogue or self.catalogue, cohort, lesson, tuple(batches))

    def pull_back(
        self,
        trajectory: tuple[InnerStep, ...],
        lesson: Lesson,
        adjoint: Float[Tensor, "learners parameters"],
        catalogue: Catalogue | None = None,
    ) -> PulledBack:
        """Turn the derivative by the weights after the steps into those by the lesson and the learning rate."""
        return self._steps_back(catalogue or self.catalogue, trajectory, lesson, adjoint)

    def _take(
        self, catalogue: Catalogue, cohort: Cohort, lesson: Lesson, batches: tuple[Batch, ...]
    ) -> tuple[Cohort, tuple[InnerStep, ...]]:
        trajectory: list[InnerStep] = []
        for batch in batches:
            cohort, done = self._forwards(catalogue, cohort, lesson, batch, self._lr(cohort))
            trajectory.append(done)
        return cohort, tuple(trajectory)

    def _take_back(
        self, catalogue: Catalogue, trajectory: tuple[InnerStep, ...], lesson: Lesson, adjoint: Tensor
    ) -> PulledBack:
        adjoints = Adjoint.of(adjoint, self.optimizer.moments)
        total = PulledBack(lesson.map(torch.zeros_like), adjoint.new_zeros(()))
        for step in reversed(trajectory):
            adjoints, pulled = self._backwards(catalogue, adjoints, step, lesson)
            for mine, theirs in zip(total.by_lesson.tensors, pulled.by_lesson.tensors, strict=True):
                mine += theirs
            total.by_log_lr.add_(pulled.by_log_lr)
        return total

    def _lr(self, cohort: Cohort) -> Float[Tensor, "learners 1"]:
        return self._lr_factor * self.schedule.at(cohort.optimizer.step, cohort.parameters.dtype)

    def _step(
        self,
        catalogue: Catalogue,
        cohort: Cohort,
        lesson: Lesson,
        batch: Batch,
        lr: Float[Tensor, "learners 1"],
    ) -> tuple[Cohort, InnerStep]:
        """Take one step, without a graph."""
        before = cohort.parameters.detach()
        parameters = before.clone().requires_grad_()
        with torch.enable_grad():
            outputs, targets = self.predict(parameters, lesson, batch)
        sums = catalogue.sums(outputs)
        by_outputs = self.by_outputs(outputs.detach(), targets, batch, catalogue, sums)
        (gradient,) = torch.autograd.grad(outputs, parameters, by_outputs)
        moved, state = self.optimizer.step(gradient, cohort.optimizer, before, lr=lr)
        return Cohort(moved, state), InnerStep(before, gradient, lr, state, batch, sums)

    def _step_back(
        self, catalogue: Catalogue, adjoint: Adjoint, step: InnerStep, lesson: Lesson
    ) -> tuple[Adjoint, PulledBack]:
        """Go one step back; the derivatives by lesson and learning rate are those through this step."""
        by_gradient, adjoint, by_lr = self.optimizer.pull_back(
            adjoint, step.gradient, step.after, step.before, lr=step.lr
        )
        parameters = step.before.detach().requires_grad_()
        leaf = lesson.map(lambda tensor: tensor.detach().requires_grad_())
        with torch.enable_grad():
            outputs, targets = self.predict(parameters, leaf, step.batch)
            by_outputs = self.by_outputs(outputs, targets, step.batch, catalogue, step.sums)
            (gradient,) = torch.autograd.grad(outputs, parameters, by_outputs, create_graph=True)
        by_parameters, *by_leaf = torch.autograd.grad(gradient, (parameters, *leaf.tensors), by_gradient)
        adjoint = adjoint._replace(parameters=adjoint.parameters + by_parameters)
        return adjoint, PulledBack(Lesson(*by_leaf), (by_lr * step.lr).sum())


def build_inner_loop(
    config: InnerConfig,
    *,
    learner: Learner,
    items: Float[Tensor, "items d3"],
    steps: int,
    compilation: Compilation = "never",
    recording: bool = False,
) -> InnerLoop:
    """Build the loop for learners that are to take so many steps."""
    if config.optimizer == "adam":
        optimizer: Optimizer = Adam(weight_decay=config.weight_decay)
    else:
        optimizer = SGD(momentum=config.momentum, weight_decay=config.weight_decay)
    return InnerLoop(
        learner=learner,
        items=items,
        optimizer=optimizer,
        schedule=Schedule(config.lr, config.schedule, steps),
        precision=config.precision,
        compilation=compilation,
        recording=recording,
    )
