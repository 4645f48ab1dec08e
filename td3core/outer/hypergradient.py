"""The derivative of the outer loss by the factors of a summary, through the training of learners on it."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from td3core.catalogue import Catalogue
from td3core.data import SupervisedChunks
from td3core.factors import Factors, expected_embeddings, map_tensors
from td3core.inner import Batch, Cohort, InnerLoop, LessonMaker
from td3core.outer.objective import OuterObjective, TrainedCohort
from td3core.training import predict_targets


class OuterStep(NamedTuple):
    """What an outer step is made with."""

    cohort: Cohort
    """The learners before the steps that are differentiated."""
    batches: Sequence[Batch]
    """What they read of the summary in these steps."""
    real: SupervisedChunks
    """What they are then tried on."""
    catalogue: Catalogue
    """The items that the step sees: all, or candidates."""


class Hypergradient(NamedTuple):
    """An outer loss and its derivatives."""

    loss: Float[Tensor, ""]
    """Mean over the learners."""
    by_factors: dict[str, Tensor]
    by_log_lr: Float[Tensor, ""]
    """By the logarithm of a factor on the learning rates of the inner loop."""
    cohort: Cohort
    """The learners after their steps."""


def hypergradient(
    factors: Factors, step: OuterStep, *, loop: InnerLoop, lessons: LessonMaker, objective: OuterObjective
) -> Hypergradient:
    """Train the learners on the summary, and differentiate how they do then by its factors.

    Nothing is changed: neither the factors nor any `grad`.
    """
    learned = map_tensors(factors, lambda factor: factor.detach().requires_grad_())
    inputs = expected_embeddings(learned, loop.catalogue.items, step.catalogue)
    lesson = lessons.lesson(inputs, step.catalogue)
    frozen = lesson.map(Tensor.detach)
    cohort, trajectory = loop.unroll(step.cohort, frozen, step.batches, step.catalogue)
    parameters = cohort.parameters.detach().requires_grad_()
    outputs = predict_targets(loop.learner, parameters, loop.catalogue.items, step.real)
    loss = objective.loss(TrainedCohort(parameters, outputs, step.real, step.catalogue)) / len(parameters)
    (adjoint,) = torch.autograd.grad(loss, parameters)
    pulled = loop.pull_back(trajectory, frozen, adjoint, step.catalogue)
    tensors = learned.tensors
    by_tensors = torch.autograd.grad(lesson.tensors, list(tensors.values()), pulled.by_lesson.tensors)
    # Laid out as the factors are, for the order of a sum over a gradient, as in its norm, shows in its last digits.
    by_factors = {name: by.contiguous() for name, by in zip(tensors, by_tensors, strict=True)}
    return Hypergradient(loss.detach(), by_factors, pulled.by_log_lr, cohort)
