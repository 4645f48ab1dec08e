"""The inner loop, forwards and in reverse.

With V frozen the paper's inner loss, the KL divergence between a soft target S_t and the prediction, is

    KL(S_t || softmax(V o_{t-1})) = const(S_t) + logsumexp(V o_{t-1}) - o_{t-1} . X_t,

so the loop runs on the expected embeddings X alone. The derivative by the prediction is `m(o_{t-1}) - X_t`, where
m(o) is the expected embedding under the prediction: what the learner expects less what the summary says. The reverse
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
from td3core.inner.compiled import compiled
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

    by_summary: Float[Tensor, "mu zeta d3"]
    by_log_lr: Float[Tensor, ""]
    """By the logarithm of a factor on all learning rates."""


class InnerLoop:
    """Learners that take steps on a summary, each at the learning rate of its age.

    With `precision` bfloat16 the learner's products are taken in it (autocast); weights, moments and the sums over the
    catalogue keep the precision of the items, since the reverse pass lives on differences of small numbers. What
    `unroll` and `pull_back` do may be compiled.
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
    ) -> None:
        self.learner = learner
        self.catalogue = Catalogue(items)
        self.optimizer = optimizer
        self.schedule = schedule
        self.precision = precision
        self.lr_factor = 1.0
        """On all learning rates; an outer loop may learn it."""
        self._forwards, self._backwards = self._step, self._step_back
        if compilation != "never":
            required = compilation == "always"
            self._forwards = compiled(self._step, required=required)
            self._backwards = compiled(self._step_back, required=required)

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
        summary: Float[Tensor, "mu zeta d3"],
        batch: Batch,
    ) -> tuple[Float[Tensor, "learners batch supervised d3"], Float[Tensor, "learners batch supervised d3"]]:
        """Return predictions and targets (o_{t-1}, X_t) at the supervised positions."""
        embeddings = summary[batch.users]  # (learners, batch, zeta, d3)
        with torch.autocast(
            summary.device.type, torch.bfloat16, enabled=self.precision == "bfloat16", cache_enabled=False
        ):
            outputs = self.learner(parameters, embeddings, batch.positions, lengths=batch.lengths)
        return outputs.to(summary.dtype), steps_at(embeddings, batch.positions)

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
        summary: Float[Tensor, "mu zeta d3"],
        batch: Batch,
        catalogue: Catalogue | None = None,
    ) -> Cohort:
        """Take one step; on a part of the catalogue, if one is given."""
        return self._step(catalogue or self.catalogue, cohort, summary, batch, self._lr(cohort))[0]

    def unroll(
        self,
        cohort: Cohort,
        summary: Float[Tensor, "mu zeta d3"],
        batches: Sequence[Batch],
        catalogue: Catalogue | None = None,
    ) -> tuple[Cohort, list[InnerStep]]:
        """Take steps that `pull_back` can go back."""
        trajectory: list[InnerStep] = []
        for batch in batches:
            cohort, done = self._forwards(
                catalogue or self.catalogue, cohort, summary, batch, self._lr(cohort)
            )
            trajectory.append(done)
        return cohort, trajectory

    def pull_back(
        self,
        trajectory: Sequence[InnerStep],
        summary: Float[Tensor, "mu zeta d3"],
        adjoint: Float[Tensor, "learners parameters"],
        catalogue: Catalogue | None = None,
    ) -> PulledBack:
        """Turn the derivative by the weights after the steps into those by the summary and the learning rate."""
        adjoints = Adjoint.of(adjoint, self.optimizer.moments)
        by_summary, by_log_lr = torch.zeros_like(summary), summary.new_zeros(())
        for step in reversed(trajectory):
            adjoints, pulled = self._backwards(catalogue or self.catalogue, adjoints, step, summary)
            by_summary += pulled.by_summary
            by_log_lr += pulled.by_log_lr
        return PulledBack(by_summary, by_log_lr)

    def _lr(self, cohort: Cohort) -> Float[Tensor, "learners 1"]:
        return self.lr_factor * self.schedule.at(cohort.optimizer.step, cohort.parameters.dtype)

    def _step(
        self,
        catalogue: Catalogue,
        cohort: Cohort,
        summary: Float[Tensor, "mu zeta d3"],
        batch: Batch,
        lr: Float[Tensor, "learners 1"],
    ) -> tuple[Cohort, InnerStep]:
        """Take one step, without a graph."""
        before = cohort.parameters.detach()
        parameters = before.clone().requires_grad_()
        with torch.enable_grad():
            outputs, targets = self.predict(parameters, summary, batch)
        sums = catalogue.sums(outputs)
        by_outputs = self.by_outputs(outputs.detach(), targets, batch, catalogue, sums)
        (gradient,) = torch.autograd.grad(outputs, parameters, by_outputs)
        moved, state = self.optimizer.step(gradient, cohort.optimizer, before, lr=lr)
        return Cohort(moved, state), InnerStep(before, gradient, lr, state, batch, sums)

    def _step_back(
        self, catalogue: Catalogue, adjoint: Adjoint, step: InnerStep, summary: Float[Tensor, "mu zeta d3"]
    ) -> tuple[Adjoint, PulledBack]:
        """Go one step back; the derivatives by summary and learning rate are those through this step."""
        by_gradient, adjoint, by_lr = self.optimizer.pull_back(
            adjoint, step.gradient, step.after, step.before, lr=step.lr
        )
        parameters = step.before.detach().requires_grad_()
        leaf = summary.detach().requires_grad_()
        with torch.enable_grad():
            outputs, targets = self.predict(parameters, leaf, step.batch)
            by_outputs = self.by_outputs(outputs, targets, step.batch, catalogue, step.sums)
            (gradient,) = torch.autograd.grad(outputs, parameters, by_outputs, create_graph=True)
        by_parameters, by_leaf = torch.autograd.grad(gradient, (parameters, leaf), by_gradient)
        adjoint = adjoint._replace(parameters=adjoint.parameters + by_parameters)
        return adjoint, PulledBack(by_leaf, (by_lr * step.lr).sum())


def build_inner_loop(
    config: InnerConfig,
    *,
    learner: Learner,
    items: Float[Tensor, "items d3"],
    steps: int,
    compilation: Compilation = "never",
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
    )
