"""The inner loop, forwards and in reverse.

With V frozen the paper's inner loss, the KL divergence between a soft target S_t and the prediction, is

    KL(S_t || softmax(V o_{t-1})) = const(S_t) + logsumexp(V o_{t-1}) - o_{t-1} . X_t,

so the loop runs on the expected embeddings X alone. The reverse pass keeps only weights and moments of each step and
works each step's graph out anew: memory does not grow with the window but for those.
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from td3core.adam import AdamAdjoint, AdamState, adam_step, adam_step_vjp
from td3core.catalogue import Sums, catalogue_sums, log_partition
from td3core.learners.base import Learner, steps_at
from td3core.learners.objective import Objective

_FIRST_RANDOM_POSITION = 5  # the authors never draw an earlier one


class Cohort(NamedTuple):
    """Several learners in mid-training."""

    parameters: Float[Tensor, "learners parameters"]
    optimizer: AdamState


class Batch(NamedTuple):
    """Which synthetic users each learner reads in a step, and at which positions it is supervised."""

    users: Int[Tensor, "learners batch"]
    positions: Int[Tensor, "learners batch supervised"] | None
    """Target positions t >= 1; None supervises every one."""
    lengths: Int[Tensor, "learners batch"] | None = None
    """Steps from here on are padding; None: all are real."""

    def weights(
        self, targets: Float[Tensor, "learners batch supervised d3"]
    ) -> Float[Tensor, "learners batch supervised"] | None:
        """Tell what is supervised, one, from padding, zero."""
        if self.lengths is None:
            return None
        positions = self.positions
        if positions is None:
            positions = torch.arange(1, targets.shape[2] + 1, device=targets.device)
        return (positions < self.lengths[..., None]).to(targets.dtype)


class InnerStep(NamedTuple):
    """What the reverse pass needs of one step."""

    before: Float[Tensor, "learners parameters"]
    gradient: Float[Tensor, "learners parameters"]
    after: AdamState
    batch: Batch
    sums: Sums


class InnerLoop:
    """Learners that take Adam steps on a summary."""

    def __init__(
        self, *, learner: Learner, items: Float[Tensor, "items d3"], lr: float, weight_decay: float
    ) -> None:
        self.learner = learner
        self.items = items
        self.lr = lr
        self.weight_decay = weight_decay

    def start(self, learners: int, *, generator: torch.Generator) -> Cohort:
        """Return fresh learners."""
        parameters = self.learner.initialise(
            learners, generator=generator, dtype=self.items.dtype, device=self.items.device
        )
        return Cohort(parameters, AdamState.initial(parameters))

    def predict(
        self,
        parameters: Float[Tensor, "learners parameters"],
        summary: Float[Tensor, "mu zeta d3"],
        batch: Batch,
    ) -> tuple[Float[Tensor, "learners batch supervised d3"], Float[Tensor, "learners batch supervised d3"]]:
        """Return predictions and targets (o_{t-1}, X_t) at the supervised positions."""
        embeddings = summary[batch.users]  # (learners, batch, zeta, d3)
        outputs = self.learner(parameters, embeddings, batch.positions, lengths=batch.lengths)
        return outputs, steps_at(embeddings, batch.positions)

    def loss(
        self,
        outputs: Float[Tensor, "learners batch supervised d3"],
        targets: Float[Tensor, "learners batch supervised d3"],
        sums: Sums | None = None,
        weights: Float[Tensor, "learners batch supervised"] | None = None,
    ) -> Float[Tensor, ""]:
        """Mean KL divergence up to a constant, summed over the learners."""
        divergence = log_partition(outputs, self.items, sums) - (outputs * targets).sum(-1)
        if weights is None:
            return divergence.mean((1, 2)).sum()
        return ((divergence * weights).sum((1, 2)) / weights.sum((1, 2)).clamp_min(1)).sum()

    def step(
        self,
        cohort: Cohort,
        summary: Float[Tensor, "mu zeta d3"],
        batch: Batch,
    ) -> tuple[Cohort, InnerStep]:
        """Take one Adam step, without a graph."""
        before = cohort.parameters.detach()
        parameters = before.clone().requires_grad_()
        with torch.enable_grad():
            outputs, targets = self.predict(parameters, summary, batch)
            sums = catalogue_sums(outputs, self.items)
            loss = self.loss(outputs, targets, sums, batch.weights(targets))
            (gradient,) = torch.autograd.grad(loss, parameters)
        moved, optimizer = adam_step(
            gradient, cohort.optimizer, before, lr=self.lr, weight_decay=self.weight_decay
        )
        return Cohort(moved, optimizer), InnerStep(before, gradient, optimizer, batch, sums)

    def pull_back(
        self,
        steps: list[InnerStep],
        summary: Float[Tensor, "mu zeta d3"],
        adjoint: Float[Tensor, "learners parameters"],
    ) -> Float[Tensor, "mu zeta d3"]:
        """Turn the derivative by the weights after `steps` into the derivative by the summary."""
        adjoints = AdamAdjoint(adjoint, torch.zeros_like(adjoint), torch.zeros_like(adjoint))
        total = torch.zeros_like(summary)
        for step in reversed(steps):
            by_gradient, adjoints = adam_step_vjp(
                adjoints, step.gradient, step.after, step.before, lr=self.lr, weight_decay=self.weight_decay
            )
            parameters = step.before.detach().requires_grad_()
            leaf = summary.detach().requires_grad_()
            with torch.enable_grad():
                outputs, targets = self.predict(parameters, leaf, step.batch)
                loss = self.loss(outputs, targets, step.sums, step.batch.weights(targets))
                (gradient,) = torch.autograd.grad(loss, parameters, create_graph=True)
            by_parameters, by_summary = torch.autograd.grad(gradient, (parameters, leaf), by_gradient)
            adjoints = adjoints._replace(parameters=adjoints.parameters + by_parameters)
            total += by_summary
        return total


def draw_batches(
    objective: Objective,
    *,
    steps: int,
    learners: int,
    users: int,
    batch_users: int,
    length: int,
    supervision: Literal["all", "paper"],
    positions: int | None,
    lengths: Int[Tensor, " users"] | None = None,
    generator: torch.Generator,
    device: torch.device,
) -> list[Batch]:
    """Draw the batches of consecutive steps: each learner goes through all users before one comes again.

    `all` supervises what the learner's objective asks for, at most `positions` in a sequence; `paper` the last position
    and a random one.
    """
    rounds = -(-steps * batch_users // users)
    order = torch.rand(learners, rounds, users, generator=generator, device=device).argsort(-1).flatten(1)
    drawn = order[:, : steps * batch_users].unflatten(1, (steps, batch_users)).transpose(0, 1)
    if supervision == "all":
        asked = objective.draw(
            tuple(drawn.shape),
            length=length,
            lengths=None if lengths is None else lengths[drawn],
            most=positions,
            generator=generator,
        )
        parts = (drawn, *([None] * steps if part is None else part for part in asked))
        return [Batch(*batch) for batch in zip(*parts, strict=True)]
    first = min(_FIRST_RANDOM_POSITION, length - 1)
    random = torch.randint(
        first, max(first + 1, length - 1), (*drawn.shape, 1), generator=generator, device=device
    )
    last_and_random = torch.cat((random, torch.full_like(random, length - 1)), -1)
    return [Batch(*pair) for pair in zip(drawn, last_and_random, strict=True)]
